package monitor

import (
	"net"
	"slices"
	"strings"
)

func (r *reader) relay(v value) Relay {
	relay := Relay{TLS: TLSStart}
	m, ok := r.mapping(v, "a relay such as {host: smtp.example.org}",
		"host", "port", "tls", "username", "password", "password_file", "allow_cleartext", "auth", "sessions", "per_minute")
	if !ok {
		return relay
	}
	const aHost = "a host such as smtp.example.org"
	if v, ok := r.required(m, "host", aHost); ok {
		relay.Host = r.host(v, aHost)
	}
	relay.TLS = r.tls(m)
	relay.Port = map[TLS]int{TLSStart: 587, TLSImplicit: 465, TLSNone: 25}[relay.TLS]
	if v, ok := m.get("port"); ok {
		relay.Port, _ = r.integer(v, 1, maxPort)
	}
	if v, ok := m.get("allow_cleartext"); ok {
		relay.AllowCleartext = r.boolean(v)
	}
	if v, ok := m.get("sessions"); ok {
		relay.Sessions, _ = r.integer(v, 1, maxSessions)
	}
	if v, ok := m.get("per_minute"); ok {
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
	v, ok := m.get("auth")
	if !ok {
		return ""
	}
	known := []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"}
	text, ok := r.filled(v, oneOf(known))
	if !ok {
		return ""
	}
	if !slices.Contains(known, strings.ToUpper(text)) {
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
	v, ok := m.get("tls")
	if !ok {
		return TLSStart
	}
	known := []string{string(TLSStart), string(TLSImplicit), string(TLSNone)}
	text, ok := r.text(v, oneOf(known))
	if ok && !slices.Contains(known, text) {
		hint := ""
		if v.safe() {
			hint = didYouMean(text, known)
		}
		r.wrongHint(v, oneOf(known), hint)
	}
	if !ok || !slices.Contains(known, text) {
		return TLSStart
	}
	return TLS(text)
}

// credentials reads who logs in to a relay. A password does not go over a
// connection that anybody may read, unless the file says so in words.
func (r *reader) credentials(m mapping, relay *Relay) {
	username, hasUsername := m.get("username")
	if hasUsername {
		relay.Username, _ = r.filled(username, "the name to log in with")
	}
	password, at, hasPassword := r.secret(m, "password")
	relay.Password = password
	if file, ok := m.get("password_file"); ok && password != "" {
		relay.PasswordFile = r.beside(file)
	}
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
