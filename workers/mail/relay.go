package mail

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
)

// How a connection to a relay is encrypted.
const (
	TLSStartTLS = "starttls" // begins in clear text; a relay that does not offer STARTTLS is not used
	TLSImplicit = "implicit" // encrypted from the first byte (RFC 8314, 3.3)
	TLSNone     = "none"     // never encrypted
)

// Relay is an SMTP server that takes our mails.
type Relay struct {
	// Host is the name or the address. A certificate must be for it.
	Host string
	// Port defaults to 587 with STARTTLS, 465 with implicit TLS and 25 without.
	Port int
	// TLS is one of starttls, implicit and none; it defaults to starttls. No
	// mode falls back to another. TLS 1.2 is the oldest that is spoken.
	TLS string
	// Username and Password log in, if set, by the best mechanism that the
	// relay offers.
	Username string
	Password string `json:"-"` // in no log and no error
	// PasswordFile holds the password, alone in the file, in place of Password. It
	// is read at each login: tokens live for an hour.
	PasswordFile string
	// RootCAs are who may sign the relay's certificate; nil means whom the
	// system trusts.
	RootCAs *x509.CertPool
	// AllowCleartext lets the password cross a connection without TLS.
	AllowCleartext bool
	// Auth is the only mechanism that is used to log in, such as PLAIN or
	// XOAUTH2, whose token is the password; empty means the best that is offered,
	// which is never XOAUTH2.
	Auth string
	// Sessions is how many sessions are open at once; zero means
	// [Config].Sessions. PerMinute is how many mails it gets a minute; zero means
	// any number.
	Sessions, PerMinute int
}

// AuthMechanisms are those that are known, best first.
func AuthMechanisms() []string {
	return []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5", mechanismOAuth}
}

const mechanismOAuth = "XOAUTH2"

// String returns host and port, so that no log shows the password.
func (r Relay) String() string { return net.JoinHostPort(r.Host, strconv.Itoa(r.Port)) }

// GoString returns the same as String.
func (r Relay) GoString() string { return r.String() }

// LogValue returns the same as String.
func (r Relay) LogValue() slog.Value { return slog.StringValue(r.String()) }

func (r Relay) withDefaults() Relay {
	if r.TLS == "" {
		r.TLS = TLSStartTLS
	}
	if r.Port != 0 {
		return r
	}
	switch r.TLS {
	case TLSImplicit:
		r.Port = 465
	case TLSNone:
		r.Port = 25
	default:
		r.Port = 587
	}
	return r
}

func (r Relay) validate() error {
	var problems []error
	if !validHost(r.Host) {
		problems = append(problems, fmt.Errorf("host: found %q, expected a name such as smtp.example.org", r.Host))
	}
	if r.Port < 1 || r.Port > 65535 {
		problems = append(problems, fmt.Errorf("port: found %d, expected 1 to 65535", r.Port))
	}
	if r.TLS != TLSStartTLS && r.TLS != TLSImplicit && r.TLS != TLSNone {
		problems = append(problems, fmt.Errorf("tls: found %q, expected starttls, implicit or none", r.TLS))
	}
	if r.Password != "" && r.PasswordFile != "" {
		problems = append(problems, errors.New("password and password file: found both"))
	}
	if (r.Username == "") != (r.Password == "" && r.PasswordFile == "") {
		problems = append(problems, errors.New("username and password: found one without the other"))
	}
	if r.Auth != "" && !slices.Contains(AuthMechanisms(), r.Auth) {
		problems = append(problems, fmt.Errorf("auth: found %q, expected one of %s", r.Auth, strings.Join(AuthMechanisms(), ", ")))
	}
	if r.Sessions < 0 || r.PerMinute < 0 {
		problems = append(problems, errors.New("sessions and mails per minute: found a negative one"))
	}
	if r.Username != "" && r.TLS == TLSNone && !r.AllowCleartext {
		problems = append(problems, errors.New("tls: found none with a password, expected starttls, implicit or leave to send it in clear text"))
	}
	return errors.Join(problems...)
}

// validHost keeps out what would become another command in EHLO, and a path:
// go-mail takes a host that begins with unix:// for a socket.
func validHost(host string) bool {
	return host != "" && !strings.ContainsAny(host, "/ \t\r\n\x00")
}
