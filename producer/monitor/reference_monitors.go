package monitor

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// policyKeys are the keys that monitors and the section defaults share.
func policyKeys() []Key {
	limits := job.DefaultFlapping()
	return []Key{
		{Path: "failure_threshold", Type: TypeNumber, Default: strconv.Itoa(DefaultFailureThreshold), Unit: "results", Meaning: "Failures in a row that make a monitor down", Example: "2"},
		{Path: "failure_window", Type: TypeNumber, Unit: "results", Meaning: "Count failures among this many last results instead of in a row", Example: "5"},
		{Path: "success_threshold", Type: TypeNumber, Default: strconv.Itoa(DefaultSuccessThreshold), Unit: "results", Meaning: "Successes in a row that make a monitor up", Example: "1"},
		{
			Path: "retry_interval", Type: TypeDuration, Default: formatDuration(DefaultRetryInterval),
			Meaning: "Time to the next check while a threshold is open; 0s waits for the next slot", Example: "10s",
		},
		{Path: "flapping", Type: TypeMapping, Default: fmt.Sprintf("{enter: %d, leave: %d}", limits.Enter, limits.Leave), Meaning: "When a monitor is flapping; false means never", Example: "false"},
		{Path: "flapping.enter", Type: TypeNumber, Default: strconv.Itoa(limits.Enter), Unit: "percent", Meaning: "Changes among the last results from which on it is flapping", Example: "40"},
		{Path: "flapping.leave", Type: TypeNumber, Default: strconv.Itoa(limits.Leave), Unit: "percent", Meaning: "Changes among the last results below which it is not", Example: "10"},
		{Path: "certificate_alerts", Type: TypeList, Default: certificateDefault(), Meaning: "Remaining validity at which a certificate is reported; [] means never", Example: "[21d, 7d, 1d]"},
		{Path: "locations", Type: TypeList, Default: "[" + job.DefaultLocation + "]", Meaning: "Where the checks are made", Example: "[fra, nyc, sin]"},
		{Path: "quorum", Type: TypeNumber, Default: "(more than half)", Unit: "locations", Meaning: "Locations that must find a monitor down", Example: "2"},
		{Path: "notify", Type: TypeList, Meaning: "Recipients; [] means no mails", Example: "[oncall]"},
	}
}

func certificateDefault() string {
	var days []string
	for _, before := range job.CertificateAlerts() {
		days = append(days, fmt.Sprintf("%dd", before.Std()/(24*time.Hour)))
	}
	return "[" + strings.Join(days, ", ") + "]"
}

func scheduleKeys() []Key {
	return []Key{
		{Path: "interval", Type: TypeDuration, Default: formatDuration(DefaultInterval), Meaning: "Time between two checks, in whole seconds", Example: "30s"},
		{Path: "timeout", Type: TypeDuration, Default: formatDuration(DefaultTimeout), Meaning: "Limit for a whole check, shorter than the interval", Example: "5s"},
	}
}

func defaultsKeys() []Key {
	keys := []Key{{Path: "defaults", Type: TypeMapping, Meaning: "What monitors use for keys that they leave out"}}
	return append(keys, below("defaults", append(scheduleKeys(), policyKeys()...))...)
}

func monitorKeys() []Key {
	keys := []Key{
		{Path: "monitors", Type: TypeList, Meaning: "What to check"},
		{Path: "monitors_file", Type: TypeList, Meaning: "Files with a monitor as a JSON object in each line", Example: "monitors.ndjson"},
	}
	own := []Key{{Path: "name", Type: TypeText, Required: true, Meaning: "Name, unique in the installation", Example: "website"}}
	own = append(own, probeKeys()...)
	schedule := scheduleKeys()
	own = append(own,
		Key{Path: "group", Type: TypeText, Meaning: "Group, for routes and mails", Example: "web"},
		Key{Path: "labels", Type: TypeMapping, Meaning: "Labels, for routes and mails", Example: "{team: web}"},
		Key{Path: "depends_on", Type: TypeList, Meaning: "Monitors without which this one cannot be up: while they are down it sends no mails", Example: "[router]"},
		schedule[0],
		Key{Path: "cron", Type: TypeText, Meaning: "Cron expression for the checks, in place of interval", Example: "'15 3 * * *'"},
		Key{Path: "time_zone", Type: TypeText, Default: "UTC", Meaning: "Time zone of cron, an IANA name", Example: "Europe/Berlin"},
		Key{Path: "paused", Type: TypeBoolean, Default: "false", Meaning: "Make no checks", Example: "true"},
		schedule[1],
		Key{Path: "expect", Type: TypeList, Default: "(the success rule of the probe)", Meaning: "Expressions that must all be true, else the target is down", Example: "['status == 200']"},
		Key{Path: "warn", Type: TypeList, Meaning: "Expressions that must all be true, else the target is degraded", Example: "['latency < duration(\"800ms\")']"},
		Key{Path: "negate", Type: TypeBoolean, Default: "false", Meaning: "Invert the result: the target must not be up", Example: "true"})
	return append(keys, below("monitors[]", append(own, policyKeys()...))...)
}

// probeKeys are the fields in the probes' structs.
func probeKeys() []Key {
	var keys []Key
	texts := probeTexts()
	for _, kind := range probeFields(reflect.TypeFor[job.Spec]()) {
		if probe, ok := texts[kind.name]; ok {
			keys = append(keys, Key{Path: kind.name, Type: TypeMapping, Meaning: probe.meaning, Example: probe.example})
			keys = append(keys, structKeys(kind.name, kind.typ, texts)...)
		}
	}
	return keys
}

// structKeys are the fields in a struct.
func structKeys(parent string, t reflect.Type, texts map[string]probeText) []Key {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var keys []Key
	for _, f := range probeFields(t) {
		text, ok := texts[parent+"."+f.name]
		if !ok {
			text = texts[f.owner+"."+f.name]
		}
		key := Key{
			Path: parent + "." + f.name, Type: typeOf(f.typ), Default: text.standard, Unit: text.unit, Required: f.has("required"), Meaning: text.meaning, Example: text.example,
		}
		keys = append(keys, key)
		if inner := f.typ; inner.Kind() == reflect.Pointer && inner.Elem().Kind() == reflect.Struct {
			keys = append(keys, structKeys(key.Path, inner, texts)...)
		} else if inner.Kind() == reflect.Slice {
			keys = append(keys, structKeys(key.Path+"[]", inner.Elem(), texts)...)
		}
	}
	return keys
}

func typeOf(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[job.Duration]():
		return TypeDuration
	case t.Kind() == reflect.Int:
		return TypeNumber
	case t.Kind() == reflect.Bool:
		return TypeBoolean
	case t.Kind() == reflect.Slice:
		return TypeList
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return TypeMapping
	default:
		return TypeText
	}
}

// probeText has what a struct field does not say about its key.
type probeText struct{ meaning, example, standard, unit string }

// probeTexts returns the texts by path below a monitor, or by struct and key where
// probes share a struct.
func probeTexts() map[string]probeText {
	texts := map[string]probeText{}
	for line := range strings.Lines(probeTable) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		cells = append(cells, make([]string, 3)...)
		texts[cells[0]] = probeText{meaning: cells[1], example: cells[2], standard: cells[3], unit: cells[4]}
	}
	return texts
}

// probeTable has one key per line: key, meaning, example, default, unit.
const probeTable = `http|HTTP request; the text form is the URL|https://example.org/health
http.url|URL with the scheme http or https|https://example.org/health
http.method|Method of the request|HEAD|GET
http.headers|Headers of the request|{Accept: text/html}
http.body|Body of the request|ping
http.body_file|File with the body, on the machine that makes the check|/etc/vedette/body
http.basic_auth|Name and password, sent to the first host only
BasicAuth.username|Name|vedette
BasicAuth.password|Password|'${secret:PASSWORD}'
http.bearer_token|Token, sent to the first host only|'${secret:TOKEN}'
http.max_redirects|Redirects that are followed; with 0 the redirect is the response|0|10|redirects
http.http_version|1.1 or 2 to require that version|'2'
http.require_tls|Fail when the last response came without TLS|true|false
http.compression|gzip to request a compressed response|gzip
http.body_limit|How much of the body is read|1048576|10485760|bytes
http.proxy|URL of an HTTP proxy|http://proxy.example.org:3128
http.tls|TLS options
tcp|TCP connection; the text form is the address|db.example.org:5432
tcp.address|Host and port|db.example.org:5432
tcp.tls|TLS options; {} turns on TLS
tcp.dialogue|Steps to send and expect, with one key each
Step.send|Text to send; %{1} and %{NAME} insert what earlier steps captured|"QUIT\r\n"
Step.send_hex|Bytes to send, in hexadecimal|0d0a
Step.expect|RE2 expression that the received data must match|'^220 '
Step.expect_hex|Bytes that the received data must contain, in hexadecimal|0d0a
Step.starttls|Switch the connection to TLS|true
tls|TLS handshake; the text form is the address|example.org:443
tls.address|Host and port|example.org:443
dns|DNS query; the text form is the name|example.org
dns.name|Domain name in the question|example.org
dns.type|Type of the records|AAAA|A
dns.class|Class of the records: IN, CH or HS|CH|IN
dns.server|DNS server, host:port|192.0.2.53:53|(the system's first resolver)
dns.protocol|udp, tcp or tls|tcp|udp
dns.recursion|Request recursion|false|true
dns.tls|TLS options for the protocol tls
icmp|Echo requests (ping); the text form is the host|192.0.2.1
icmp.host|Name or address|192.0.2.1
icmp.count|Number of requests|5|3|requests
icmp.size|Data in each request|100|56|bytes
icmp.pause|Time between two requests|1s|200ms
grpc|Query of the health service grpc.health.v1; the text form is the address|grpc.example.org:443
grpc.address|Host and port|grpc.example.org:443
grpc.service|Service to ask about; without it, the whole server|shop.v1.Cart
grpc.tls|TLS options; {} turns on TLS
grpc.metadata|Metadata of the request|{x-client: vedette}
websocket|WebSocket upgrade and a message in each direction; the text form is the URL|wss://example.org/live
websocket.url|URL with the scheme ws or wss|wss://example.org/live
websocket.headers|Headers of the request|{Origin: https://example.org}
websocket.send|Message to send|ping
websocket.expect|RE2 expression that a received message must match|'^pong'
websocket.tls|TLS options
heartbeat|Pings from a job; a missing ping makes the monitor down
heartbeat.token|Name of the heartbeat in pings, known to the job only|'0123456789abcdef0123456789abcdef'
heartbeat.interval|How often the job runs|24h
heartbeat.grace|How late a ping may be|1h|0s
Network.ip_family|4 or 6 to use only that family|'6'|(both)
Network.resolver|DNS server that replaces the system's, host:port|192.0.2.53:53
TLSOptions.ca_file|File with the trusted certificates, PEM|/etc/vedette/ca.pem|(those of the system)
TLSOptions.cert_file|File with a client certificate, PEM|/etc/vedette/client.pem
TLSOptions.key_file|File with its key, PEM|/etc/vedette/client.key
TLSOptions.server_name|Name to send and verify|example.org|(the host of the address)
TLSOptions.min_version|Oldest version: 1.0, 1.1, 1.2 or 1.3|'1.3'|1.2
TLSOptions.insecure_skip_verify|Accept any certificate|true|false`
