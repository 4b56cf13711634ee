package monitor

import (
	"net"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

func (r *reader) readMail(root mapping) Mail {
	v, ok := r.section(root, "mail")
	if !ok {
		return Mail{}
	}
	m, ok := r.mapping(v, "fields such as from and relays", "from", "relays", "give_up_after", "allow_from", "allow_recipients")
	if !ok {
		return Mail{}
	}
	var mail Mail
	if list, ok := r.get(m, "relays"); ok {
		items, _ := r.list(list, "a list of relays", false)
		for _, item := range items {
			mail.Relays = append(mail.Relays, r.relay(item))
		}
	}
	if v, ok := r.get(m, "give_up_after"); ok {
		mail.GiveUpAfter = r.giveUpAfter(v)
	}
	mail.AllowFrom = r.addressPatterns(m, "allow_from")
	mail.AllowRecipients = r.addressPatterns(m, "allow_recipients")
	const sender = "a sender such as Vedette <vedette@example.org>"
	from, ok := r.get(m, "from")
	switch {
	case ok:
		mail.From, _ = r.address(from, sender)
	case len(mail.Relays) > 0:
		r.report(from, "no from", sender, "")
	}
	return mail
}

// addressPatterns reads patterns of addresses.
func (r *reader) addressPatterns(m mapping, key string) []string {
	const expected = "an address, or a pattern such as *@example.org"
	v, ok := r.get(m, key)
	if !ok {
		return nil
	}
	items, ok := r.list(v, expected+", or a list of them", true)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		r.report(v, "an empty list", "at least one pattern", "leave it out to allow all")
	}
	var patterns []string
	for _, item := range items {
		text, ok := r.filled(item, expected)
		if _, err := path.Match(text, ""); ok && (err != nil || !strings.Contains(text, "@")) {
			r.wrong(item, expected)
		}
		patterns = append(patterns, text)
	}
	return patterns
}

// maxGiveUp is the longest that mails may be tried: what was sent is remembered
// for two days.
const maxGiveUp = 24 * time.Hour

func (r *reader) giveUpAfter(v value) time.Duration {
	d, ok := r.duration(v)
	if ok && (d < time.Minute || d > maxGiveUp) {
		r.report(v, v.written(), "a duration from 1m to "+show(maxGiveUp), "")
	}
	return d
}

func (r *reader) relay(v value) Relay {
	relay := Relay{TLS: TLSStart}
	m, ok := r.mapping(v, "a relay such as {host: smtp.example.org}",
		"host", "port", "tls", "username", "password", "password_file", "allow_cleartext", "auth", "sessions", "per_minute")
	if !ok {
		return relay
	}
	const aHost = "a host such as smtp.example.org"
	if v, ok := r.must(m, "host", aHost); ok {
		relay.Host = r.host(v, aHost)
	}
	relay.TLS = r.tls(m)
	relay.Port = map[TLS]int{TLSStart: 587, TLSImplicit: 465, TLSNone: 25}[relay.TLS]
	if v, ok := r.get(m, "port"); ok {
		relay.Port, _ = r.integer(v, 1, maxPort)
	}
	if v, ok := r.get(m, "allow_cleartext"); ok {
		relay.AllowCleartext = r.boolean(v)
	}
	if v, ok := r.get(m, "sessions"); ok {
		relay.Sessions, _ = r.integer(v, 1, maxSessions)
	}
	if v, ok := r.get(m, "per_minute"); ok {
		relay.PerMinute, _ = r.integer(v, 1, maxNumber)
	}
	relay.Auth = r.auth(m)
	r.credentials(m, &relay)
	return relay
}

// maxSessions is more than any relay takes of one client.
const maxSessions = 256

// auth reads a mechanism to log in by, in any case.
func (r *reader) auth(m mapping) string {
	v, ok := r.get(m, "auth")
	if !ok {
		return ""
	}
	known := []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"}
	text, ok := r.filled(v, oneOf(known))
	if !ok {
		return ""
	}
	if indexOf(known, strings.ToUpper(text)) < 0 {
		r.wrongHint(v, oneOf(known), didYouMean(strings.ToUpper(text), known))
	}
	return strings.ToUpper(text)
}

// host reads a name or an IP address, without a port.
func (r *reader) host(v value, expected string) string {
	host, ok := r.filled(v, expected)
	if !ok {
		return ""
	}
	hint := ""
	if _, _, err := net.SplitHostPort(host); err == nil {
		hint = "write the port as port"
	}
	if strings.ContainsAny(host, " \t\r\n/@[]") || strings.Contains(host, ":") && net.ParseIP(host) == nil {
		r.wrongHint(v, expected, hint)
		return ""
	}
	return host
}

func (r *reader) tls(m mapping) TLS {
	v, ok := r.get(m, "tls")
	if !ok {
		return TLSStart
	}
	known := []string{string(TLSStart), string(TLSImplicit), string(TLSNone)}
	text, ok := r.text(v, oneOf(known))
	if ok && indexOf(known, text) < 0 {
		hint := ""
		if r.safe(v) {
			hint = didYouMean(text, known)
		}
		r.wrongHint(v, oneOf(known), hint)
	}
	if !ok || indexOf(known, text) < 0 {
		return TLSStart
	}
	return TLS(text)
}

// credentials reads who logs in to a relay. A password does not go over a
// connection that anybody may read, unless the file says so in words.
func (r *reader) credentials(m mapping, relay *Relay) {
	username, hasUsername := r.get(m, "username")
	if hasUsername {
		relay.Username, _ = r.filled(username, "the name to log in with")
	}
	password, at, hasPassword := r.secret(m, "password")
	relay.Password = password
	switch {
	case hasUsername && !hasPassword:
		r.report(username, "a username alone", "password or password_file beside it", "")
	case hasPassword && !hasUsername:
		r.report(at, "a password alone", "username beside it", "")
	}
	if hasPassword && relay.TLS == TLSNone && !relay.AllowCleartext {
		r.report(at, "a password with tls none", "tls starttls or implicit",
			"allow_cleartext: true sends it for anybody on the way to read")
	}
}

// secret reads a secret that stands in the file, or in a file of its own. It
// returns where it was set, and whether it was.
func (r *reader) secret(m mapping, key string) (Secret, value, bool) {
	direct, hasDirect := r.get(m, key)
	file, hasFile := r.get(m, key+"_file")
	direct.secret = true
	for _, f := range m.fields {
		if f.key == key { // not where an alias leads: masks go by the key
			direct.line, direct.column = position(f.node)
		}
	}
	switch {
	case hasDirect && hasFile:
		r.report(file, key+" and "+key+"_file", "one of them", "")
		return "", file, true
	case hasDirect:
		text, ok := r.filled(direct, "a "+key)
		if ok {
			r.oneLine(direct, text)
		}
		return Secret(text), direct, true
	case hasFile:
		return Secret(r.secretFile(file)), file, true
	default:
		return "", direct, false
	}
}

// secretFile reads a secret from a file. The newline that editors leave at its
// end is no part of it.
func (r *reader) secretFile(v value) string {
	const expected = "the path of a file that holds the secret alone"
	name, ok := r.filled(v, expected)
	if !ok {
		return ""
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(r.source.name), name)
	}
	data, err := r.options.ReadFile(name)
	if err != nil {
		r.report(v, v.describe()+", which cannot be read ("+err.Error()+")", expected, "relative paths start from the folder of this file")
		return ""
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		r.report(v, v.describe()+", which is empty", expected, "")
		return ""
	}
	r.oneLine(v, text)
	return text
}

// oneLine refuses secrets that a protocol of lines would not carry.
func (r *reader) oneLine(v value, secret string) {
	if !strings.ContainsAny(secret, "\r\n\x00") {
		return
	}
	hint := ""
	if v.node != nil && v.node.Type() == ast.LiteralType {
		hint = "write it behind its key, in quotes"
	}
	r.report(v, "a line break or a zero byte in the secret", "one line", hint)
}
