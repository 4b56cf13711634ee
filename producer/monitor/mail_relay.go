package monitor

import (
	"cmp"
	"net"
	"strings"
)

// TLS is how the connection to a relay is protected.
type TLS string

// TLS by an upgrade before anything is sent (RFC 3207), from the first byte (RFC
// 8314), or not at all.
const (
	TLSStart    TLS = "starttls"
	TLSImplicit TLS = "implicit"
	TLSNone     TLS = "none"
)

// Relay is an SMTP server that forwards mails.
type Relay struct {
	Host string
	// Port defaults to 587, 465 or 25, depending on TLS.
	Port int
	// TLS defaults to TLSStart.
	TLS TLS
	// Username and Password are both set or both empty.
	Username string
	Password Secret
	// PasswordFile is the file that Password came from, to be read again at each
	// login.
	PasswordFile string
	// AllowCleartext allows the password without TLS.
	AllowCleartext bool
	// Auth is the login mechanism; empty means the strongest that the relay offers.
	Auth string
	// Sessions limits open sessions, PerMinute the mails; zero if the file does not
	// set it.
	Sessions, PerMinute int
}

func (r mailReader) readRelay(v value) Relay {
	relay := Relay{TLS: TLSStart}
	m, ok := r.mapping(v, "a relay such as {host: smtp.example.org}",
		r.keys["mail.relays[]"]...)
	if !ok {
		return relay
	}
	const aHost = "a host such as smtp.example.org"
	if v, ok := r.required(m, "host", aHost); ok {
		relay.Host = r.hostName(v, aHost)
	}
	relay.TLS = r.tlsMode(m)
	relay.Port = map[TLS]int{TLSStart: 587, TLSImplicit: 465, TLSNone: 25}[relay.TLS]
	r.setInteger(m, "port", maxPort, &relay.Port)
	r.setBoolean(m, "allow_cleartext", &relay.AllowCleartext)
	r.setInteger(m, "sessions", maxSessions, &relay.Sessions)
	r.setInteger(m, "per_minute", maxNumber, &relay.PerMinute)
	relay.Auth = r.authMechanism(m)
	r.credentials(m, &relay)
	return relay
}

// maxSessions is more than any relay accepts from one client.
const maxSessions = 256

func authMechanisms() []string {
	return []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"}
}

// authMechanism reads a login mechanism, in upper or lower case.
func (r mailReader) authMechanism(m mapping) string {
	v, ok := m.get("auth")
	if !ok {
		return ""
	}
	return r.word(v, authMechanisms(), strings.ToUpper)
}

// hostName reads a host name or an IP address, without a port.
func (r mailReader) hostName(v value, expected string) string {
	host, ok := r.nonEmpty(v, expected)
	if !ok {
		return ""
	}
	hint := ""
	if _, _, err := net.SplitHostPort(host); err == nil {
		hint = "write the port as port"
	}
	if strings.ContainsAny(host, " \t\r\n/@[]") || strings.Contains(host, ":") && net.ParseIP(host) == nil {
		r.rejectWithHint(v, expected, hint)
		return ""
	}
	return host
}

func (r mailReader) tlsMode(m mapping) TLS {
	v, ok := m.get("tls")
	if !ok {
		return TLSStart
	}
	known := []string{string(TLSStart), string(TLSImplicit), string(TLSNone)}
	return cmp.Or(TLS(r.word(v, known, func(text string) string { return text })), TLSStart)
}

// credentials reads the login for a relay. A password needs TLS unless the file
// allows clear text.
func (r mailReader) credentials(m mapping, relay *Relay) {
	username, hasUsername := m.get("username")
	if hasUsername {
		relay.Username, _ = r.nonEmpty(username, "the name to log in with")
	}
	password, at, hasPassword := r.readSecret(m, "password")
	relay.Password = password
	if file, ok := m.get("password_file"); ok && password != "" {
		name, _ := r.readText(file, "a path")
		relay.PasswordFile = r.inFolder(name)
	}
	switch {
	case hasUsername && !hasPassword:
		r.report(username, "a username alone", "password or password_file next to it", "")
	case hasPassword && !hasUsername:
		r.report(at, "a password alone", "username next to it", "")
	}
	if hasPassword && relay.TLS == TLSNone && !relay.AllowCleartext {
		r.report(at, "a password with tls none", "tls starttls or implicit",
			"allow_cleartext: true sends it in clear text, readable on the way")
	}
}
