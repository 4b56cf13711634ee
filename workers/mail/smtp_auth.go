package mail

import (
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"slices"
	"strings"

	"github.com/wneessen/go-mail/smtp"

	"vedette/pipeline/redact"
)

var (
	// ErrNoAuth means that a relay with a username offers no supported AUTH
	// mechanism.
	ErrNoAuth = errors.New("relay offers no supported AUTH mechanism")
	// ErrCleartext means that the connection has no TLS, so that the password
	// was not sent.
	ErrCleartext = errors.New("connection has no TLS: password not sent")
	// ErrNoPassword means that the password file could not be read.
	ErrNoPassword = errors.New("password cannot be read")
)

// authenticator picks a mechanism once the relay has listed its own. It serves
// one login and must not be shared. go-mail can pick too, but takes a
// connection from a dial function for one without TLS.
type authenticator struct {
	smtp.Auth

	relay Relay
}

// Start implements [smtp.Auth].
func (l *authenticator) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS && !l.relay.AllowCleartext {
		return "", nil, ErrCleartext
	}
	wanted := preferredMechanisms(server.TLS)
	if l.relay.Auth != "" {
		wanted = []string{l.relay.Auth}
	}
	for _, mechanism := range wanted {
		if slices.Contains(server.Auth, mechanism) {
			l.Auth = l.mechanism(mechanism)
			return l.Auth.Start(server)
		}
	}
	return "", nil, ErrNoAuth
}

// preferredMechanisms returns the mechanisms to choose from, best first.
// Without TLS the ones that hide the password come first.
func preferredMechanisms(encrypted bool) []string {
	if encrypted {
		return []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5"}
	}
	return []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}
}

func (l *authenticator) mechanism(name string) smtp.Auth {
	r := l.relay
	return map[string]smtp.Auth{
		"SCRAM-SHA-256": smtp.ScramSHA256Auth(r.Username, r.Password),
		"SCRAM-SHA-1":   smtp.ScramSHA1Auth(r.Username, r.Password),
		"CRAM-MD5":      smtp.CRAMMD5Auth(r.Username, r.Password),
		mechanismOAuth:  smtp.XOAuth2Auth(r.Username, r.Password),
		"LOGIN":         smtp.LoginAuth(r.Username, r.Password, r.Host, r.AllowCleartext),
		"PLAIN":         smtp.PlainAuth("", r.Username, r.Password, r.Host, r.AllowCleartext),
	}[name]
}

// withPassword reads the password file, if there is one.
func (r Relay) withPassword() (Relay, error) {
	if r.PasswordFile == "" {
		return r, nil
	}
	data, err := os.ReadFile(r.PasswordFile)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrNoPassword, err)
	}
	r.Password = strings.TrimRight(string(data), "\r\n")
	if r.Password == "" || strings.ContainsAny(r.Password, "\r\n\x00") {
		return r, fmt.Errorf("%w: %s: found an empty file or several lines, expected one line", ErrNoPassword, r.PasswordFile)
	}
	return r, nil
}

// redactPassword removes the password from an error, for relays that repeat what they
// received. Only a reply or a malformed line can contain it.
func redactPassword(err error, r Relay) error {
	if r.Password == "" {
		return err
	}
	var secrets redact.Redactor
	secrets.Add(r.Password)
	secrets.Add("\x00" + r.Username + "\x00" + r.Password) // as in AUTH PLAIN
	text := err.Error()
	if secrets.Redact(text) == text {
		return err
	}
	if refused, ok := errors.AsType[*textproto.Error](err); ok {
		return &textproto.Error{Code: refused.Code, Msg: secrets.Redact(refused.Msg)}
	}
	return textproto.ProtocolError(secrets.Redact(text))
}
