package monitor

import (
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// Key describes a key in the monitor file, for the manual and for editors.
type Key struct {
	// Path leads to the key, such as monitors[].http.url: [] follows the name of a
	// list, and a word in capitals is a placeholder for a user-defined name.
	Path string
	// Type is one of the constants below.
	Type string
	// Default is written as in the file, or described in parentheses. It is empty for
	// required keys, and for keys that have no effect when they are left out.
	Default string
	// Unit is the unit for a number.
	Unit string
	// Required reports whether the mapping must have the key.
	Required bool
	// Meaning is a sentence without its full stop.
	Meaning string
	// Example is a value as written in YAML. It is empty for mappings, and for lists
	// of mappings.
	Example string
}

// Types for [Key]. A list with one item may be written as that item.
const (
	TypeText     = "text"
	TypeNumber   = "number"
	TypeBoolean  = "true or false"
	TypeDuration = "duration"
	TypeList     = "list"
	TypeMapping  = "mapping"
)

// Keys returns all keys, in the order of the manual. The reader accepts these keys
// and no others.
func Keys() []Key {
	keys := recipientKeys()
	keys = append(keys, notificationKeys()...)
	keys = append(keys, mailKeys()...)
	keys = append(keys, processKeys()...)
	keys = append(keys, defaultsKeys()...)
	return append(keys, monitorKeys()...)
}

// keyNames lists the keys below each path.
func keyNames() map[string][]string {
	names := map[string][]string{}
	for _, key := range Keys() {
		parent, name := "", key.Path
		if i := strings.LastIndexByte(key.Path, '.'); i >= 0 {
			parent, name = key.Path[:i], key.Path[i+1:]
		}
		names[parent] = append(names[parent], name)
	}
	return names
}

func below(parent string, keys []Key) []Key {
	for i := range keys {
		keys[i].Path = parent + "." + keys[i].Path
	}
	return keys
}

func recipientKeys() []Key {
	keys := []Key{
		{Path: "recipients", Type: TypeMapping, Meaning: "Names of recipients; the value is their addresses, or a mapping", Example: "{oncall: ops@example.org}"},
		{Path: "recipients.NAME.addresses", Type: TypeList, Required: true, Meaning: "Mail addresses", Example: "[ops@example.org]"},
		{Path: "recipients.NAME.time_zone", Type: TypeText, Default: "UTC", Meaning: "Time zone for times in mails, an IANA name", Example: "Europe/Berlin"},
	}
	keys = append(keys, below("recipients.NAME", groupingKeys())...)
	keys = append(keys,
		Key{Path: "operators", Type: TypeList, Meaning: "Recipients of mails about Vedette itself", Example: "[oncall]"},
		Key{Path: "routes", Type: TypeList, Meaning: "Recipients of monitors without notify; the first route that matches decides"})
	keys = append(keys, below("routes[]", matchKeys())...)
	return append(keys,
		Key{Path: "routes[].notify", Type: TypeList, Required: true, Meaning: "Recipients of the monitors that match", Example: "[oncall]"},
		Key{Path: "routes[].continue", Type: TypeBoolean, Default: "false", Meaning: "Add the recipients of later routes that match", Example: "true"})
}

func matchKeys() []Key {
	return []Key{
		{Path: "match", Type: TypeMapping, Meaning: "Which monitors; without it, all"},
		{Path: "match.monitors", Type: TypeList, Meaning: "Patterns for the name", Example: "[web-*]"},
		{Path: "match.groups", Type: TypeList, Meaning: "Patterns for the group", Example: "[web]"},
		{Path: "match.labels", Type: TypeMapping, Meaning: "Patterns for labels", Example: "{team: web*}"},
	}
}

func groupingKeys() []Key {
	standard := job.DefaultGrouping()
	return []Key{
		{Path: "group_by", Type: TypeList, Meaning: "What gets a mail of its own: monitor, group, location, label.NAME; without it, one mail for all", Example: "[group]"},
		{Path: "group_wait", Type: TypeDuration, Default: formatDuration(standard.GroupWait.Std()), Meaning: "Time from the first news to the first mail", Example: "30s"},
		{Path: "group_interval", Type: TypeDuration, Default: formatDuration(standard.GroupInterval.Std()), Meaning: "Time between two mails about the same group", Example: "5m"},
		{
			Path: "repeat_interval", Type: TypeDuration, Default: formatDuration(standard.RepeatInterval.Std()),
			Meaning: "Time to a reminder about monitors that are still down; 0s means none", Example: "4h",
		},
		{Path: "max_listed", Type: TypeNumber, Default: strconv.Itoa(standard.MaxListed), Unit: "monitors", Meaning: "How many monitors a mail lists", Example: "40"},
	}
}

func notificationKeys() []Key {
	keys := []Key{{Path: "notifications", Type: TypeMapping, Meaning: "How news are put into mails"}}
	keys = append(keys, below("notifications", groupingKeys())...)
	keys = append(keys,
		Key{Path: "notifications.templates", Type: TypeMapping, Meaning: "Templates of mails in place of the built-in ones"},
		Key{Path: "notifications.templates.text", Type: TypeText, Meaning: "File with the template of the text", Example: "mail.txt"},
		Key{Path: "notifications.templates.html", Type: TypeText, Meaning: "File with the template of the HTML", Example: "mail.html"},
		Key{Path: "maintenance", Type: TypeList, Meaning: "Windows in which monitors send no mails"},
		Key{Path: "maintenance[].name", Type: TypeText, Required: true, Meaning: "Name of the window", Example: "backup"})
	keys = append(keys, below("maintenance[]", matchKeys())...)
	return append(keys,
		Key{Path: "maintenance[].weekly", Type: TypeList, Meaning: "Days of the week on which the window begins", Example: "[sat, sun]"},
		Key{Path: "maintenance[].monthly", Type: TypeList, Meaning: "Days of the month on which the window begins", Example: "[1, 15]"},
		Key{Path: "maintenance[].cron", Type: TypeText, Meaning: "Cron expression for when the window begins, in place of from", Example: "'0 23 * * 6'"},
		Key{Path: "maintenance[].from", Type: TypeText, Meaning: "Time at which the window begins, or a date for a single window", Example: "'23:00'"},
		Key{Path: "maintenance[].until", Type: TypeText, Meaning: "Local time at which the window ends; it follows changes of the clock", Example: "'05:00'"},
		Key{Path: "maintenance[].for", Type: TypeDuration, Meaning: "Elapsed time after which the window ends, in place of until", Example: "6h"},
		Key{Path: "maintenance[].time_zone", Type: TypeText, Default: "UTC", Meaning: "Time zone of the times, an IANA name", Example: "Europe/Berlin"})
}

func mailKeys() []Key {
	return []Key{
		{Path: "mail", Type: TypeMapping, Meaning: "How mails leave; without relays they go to a Maildir in the data directory"},
		{Path: "mail.from", Type: TypeText, Meaning: "Sender; required with relays", Example: "Vedette <vedette@example.org>"},
		{Path: "mail.relays", Type: TypeList, Meaning: "Mail servers, tried in order"},
		{Path: "mail.relays[].host", Type: TypeText, Required: true, Meaning: "Name or address of the relay", Example: "smtp.example.org"},
		{Path: "mail.relays[].port", Type: TypeNumber, Default: "(587, 465 or 25, as tls says)", Meaning: "Port of the relay", Example: "587"},
		{Path: "mail.relays[].tls", Type: TypeText, Default: string(TLSStart), Meaning: "Protection: starttls, implicit or none", Example: "implicit"},
		{Path: "mail.relays[].username", Type: TypeText, Meaning: "Name to log in with", Example: "vedette"},
		{Path: "mail.relays[].password", Type: TypeText, Meaning: "Password to log in with", Example: "'${SMTP_PASSWORD}'"},
		{Path: "mail.relays[].password_file", Type: TypeText, Meaning: "File with the password, read at each login", Example: "smtp.password"},
		{Path: "mail.relays[].allow_cleartext", Type: TypeBoolean, Default: "false", Meaning: "Allow a password without TLS", Example: "true"},
		{Path: "mail.relays[].auth", Type: TypeText, Default: "(the strongest that is offered)", Meaning: "Mechanism to log in with: " + strings.Join(authMechanisms(), ", "), Example: "plain"},
		{Path: "mail.relays[].sessions", Type: TypeNumber, Default: "4", Unit: "sessions", Meaning: "How many sessions are open at once", Example: "2"},
		{Path: "mail.relays[].per_minute", Type: TypeNumber, Unit: "mails per minute", Meaning: "How many mails the relay gets", Example: "600"},
		{Path: "mail.give_up_after", Type: TypeDuration, Default: formatDuration(maxGiveUp), Meaning: "How long a mail is tried", Example: "12h"},
		{Path: "mail.allow_from", Type: TypeList, Meaning: "Patterns for the senders of ad-hoc mails; without it, any", Example: "['*@example.org']"},
		{Path: "mail.allow_recipients", Type: TypeList, Meaning: "Patterns for the recipients of ad-hoc mails; without it, any", Example: "['*@example.org']"},
		{Path: "mail.recipient_per_minute", Type: TypeNumber, Unit: "mails per minute", Meaning: "How many mails an address gets", Example: "30"},
		{Path: "mail.dkim", Type: TypeMapping, Meaning: "Key that signs mails (DKIM)"},
		{Path: "mail.dkim.domain", Type: TypeText, Default: "(that of from)", Meaning: "Domain of the signature", Example: "example.org"},
		{Path: "mail.dkim.selector", Type: TypeText, Required: true, Meaning: "Name of the key in the DNS", Example: "v1"},
		{Path: "mail.dkim.key_file", Type: TypeText, Required: true, Meaning: "File with the private key, RSA or Ed25519, PEM", Example: "dkim.pem"},
	}
}

func processKeys() []Key {
	return []Key{
		{Path: "server", Type: TypeMapping, Meaning: "Where the process stores data and listens"},
		{Path: "server.data", Type: TypeText, Default: DefaultData, Meaning: "Data directory, relative to the working directory", Example: "/var/lib/vedette"},
		{Path: "server.http", Type: TypeText, Default: DefaultHTTP, Meaning: "Address of the status page, /healthz and /readyz", Example: "127.0.0.1:8080"},
		{Path: "server.nats", Type: TypeText, Default: DefaultNATS, Meaning: "Address of the embedded NATS server", Example: "127.0.0.1:4222"},
		{Path: "server.grace", Type: TypeDuration, Default: formatDuration(DefaultGrace), Meaning: "How long running jobs may finish when the process stops", Example: "20s"},
		{Path: "server.replicas", Type: TypeNumber, Unit: "copies", Meaning: "Copies of each stream in a cluster: 1, 3 or 5; without it, the present number", Example: "3"},
		{Path: "workers", Type: TypeMapping, Meaning: "How many jobs a process runs at once, and what it may check"},
		{Path: "workers.checks", Type: TypeNumber, Default: "256", Unit: "jobs", Meaning: "Scheduled checks at once", Example: "512"},
		{Path: "workers.adhoc", Type: TypeNumber, Default: "64", Unit: "jobs", Meaning: "Ad-hoc checks at once", Example: "32"},
		{Path: "workers.calls", Type: TypeNumber, Default: "64", Unit: "jobs", Meaning: "Checks with a waiting caller at once", Example: "32"},
		{Path: "workers.evaluations", Type: TypeNumber, Default: "4", Unit: "jobs", Meaning: "Batches of results at once", Example: "2"},
		{Path: "workers.mails", Type: TypeNumber, Default: "8", Unit: "jobs", Meaning: "Mails of each class at once", Example: "4"},
		{Path: "workers.checks_per_host", Type: TypeNumber, Unit: "checks", Meaning: "Checks of one host at once; without it, any number", Example: "8"},
		{Path: "workers.allow_networks", Type: TypeList, Meaning: "Networks and addresses that may be checked; the smallest network decides", Example: "[10.1.0.0/16]"},
		{Path: "workers.deny_networks", Type: TypeList, Meaning: "Networks and addresses that may not be checked", Example: "[10.0.0.0/8]"},
		{Path: "workers.reference_targets", Type: TypeList, Meaning: "Targets that are up whenever our own network is", Example: "[https://example.org]"},
	}
}
