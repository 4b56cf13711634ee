package mail

import (
	"cmp"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
)

// TLS modes.
const (
	TLSStartTLS = "starttls" // starts in clear text; a relay without STARTTLS is refused
	TLSImplicit = "implicit" // encrypted from the first byte (RFC 8314, 3.3)
	TLSNone     = "none"     // never encrypted
)

// Relay is an SMTP server that accepts our mails.
type Relay struct {
	// Host is the name or address, for which a certificate must be valid.
	Host string
	// Port defaults to 587 with STARTTLS, 465 with implicit TLS and 25 without.
	Port int
	// TLS is starttls, implicit or none; it defaults to starttls. No mode falls
	// back to another. TLS 1.2 is the oldest version in use.
	TLS string
	// Username and Password, if set, log in with the best mechanism that the
	// relay offers.
	Username string
	Password string `json:"-"` // never in a log or an error
	// PasswordFile is a file with nothing but the password, in place of
	// Password. It is read at each login, because tokens expire.
	PasswordFile string
	// RootCAs may sign the relay's certificate; nil means the system's roots.
	RootCAs *x509.CertPool
	// AllowCleartext permits sending the password without TLS.
	AllowCleartext bool
	// Auth is the only mechanism used to log in, such as PLAIN or XOAUTH2,
	// whose token is the password. Empty means the best one that is offered,
	// never XOAUTH2.
	Auth string
	// Sessions is the maximum number of sessions; zero means [Config].Sessions.
	// PerMinute is the maximum number of mails a minute; zero means no limit.
	Sessions, PerMinute int
}

// AuthMechanisms returns the supported mechanisms, best first.
func AuthMechanisms() []string {
	return []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5", mechanismOAuth}
}

const mechanismOAuth = "XOAUTH2"

// String returns host:port, so that no log shows the password.
func (r Relay) String() string { return net.JoinHostPort(r.Host, strconv.Itoa(r.Port)) }

// GoString returns the same as String.
func (r Relay) GoString() string { return r.String() }

// LogValue returns the same as String.
func (r Relay) LogValue() slog.Value { return slog.StringValue(r.String()) }

func (r Relay) withDefaults() Relay {
	r.TLS = cmp.Or(r.TLS, TLSStartTLS)
	standard := map[string]int{TLSImplicit: 465, TLSNone: 25}
	r.Port = cmp.Or(r.Port, standard[r.TLS], 587)
	return r
}

func (r Relay) validate() error {
	var p problems
	p.require(validHost(r.Host), "host: found %q, expected a name such as smtp.example.org", r.Host)
	p.require(r.Port >= 1 && r.Port <= 65535, "port: found %d, expected 1 to 65535", r.Port)
	p.require(slices.Contains([]string{TLSStartTLS, TLSImplicit, TLSNone}, r.TLS), "tls: found %q, expected starttls, implicit or none", r.TLS)
	p.require(r.Password == "" || r.PasswordFile == "", "password and password file: found both, expected one")
	p.require((r.Username == "") == (r.Password == "" && r.PasswordFile == ""), "username and password: found one without the other")
	p.require(r.Auth == "" || slices.Contains(AuthMechanisms(), r.Auth), "auth: found %q, expected one of %s", r.Auth, strings.Join(AuthMechanisms(), ", "))
	p.require(r.Sessions >= 0 && r.PerMinute >= 0, "sessions and mails per minute: found a negative value")
	p.require(r.Username == "" || r.TLS != TLSNone || r.AllowCleartext,
		"tls: found none with a password, expected starttls, implicit or permission to send it in clear text")
	return errors.Join(p...)
}

// validHost excludes what would start another SMTP command, and paths: go-mail
// treats a host that begins with unix:// as a socket.
func validHost(host string) bool {
	return host != "" && !strings.ContainsAny(host, "/ \t\r\n\x00")
}
