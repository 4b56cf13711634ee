package mail

import (
	"context"
	"crypto/tls"
	"strings"
	"time"
)

// Inspection describes a relay.
type Inspection struct {
	Relay string `json:"relay"`
	// TLS is the protocol version, such as "TLS 1.3", and Cipher the cipher
	// suite. Certificate has the names in the relay's certificate, and Expires
	// is when it expires.
	TLS         string    `json:"tls,omitempty"`
	Cipher      string    `json:"cipher,omitempty"`
	Certificate string    `json:"certificate,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`
	// Login is true if the login succeeded.
	Login bool `json:"login"`
	// Extensions are the SMTP extensions that the relay offers, with
	// parameters.
	Extensions []string `json:"extensions"`
	// Took is the duration of the connection up to the login.
	Took time.Duration `json:"-"`
}

// Inspect opens a session with a relay as for a mail, with STARTTLS and AUTH,
// and ends it. The error is an [*Error] whose class shows where the fault is.
func Inspect(ctx context.Context, relay Relay, hello string) (Inspection, error) {
	config, err := Config{Relays: []Relay{relay}, Hello: hello, From: "inspect@vedette.invalid"}.withDefaults()
	if err == nil {
		err = config.validate()
	}
	if err != nil {
		return Inspection{}, err
	}
	relay = config.Relays[0]
	began := time.Now()
	found := Inspection{Relay: relay.String(), Login: relay.Username != ""}
	s, err := openSession(ctx, relay, &config)
	if err != nil {
		return found, &Error{Verdict: classifyClientError(StageConnect, err), Relay: relay.String()}
	}
	defer s.quit()
	found.Took = time.Since(began)
	for _, name := range extensions() {
		if offered, parameters := s.client.Extension(name); offered {
			found.Extensions = append(found.Extensions, strings.TrimSpace(name+" "+oneLine(parameters)))
		}
	}
	if state, ok := s.client.TLSConnectionState(); ok {
		found.setTLS(&state)
	}
	return found, nil
}

func (i *Inspection) setTLS(state *tls.ConnectionState) {
	i.TLS, i.Cipher = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	if len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		i.Certificate, i.Expires = oneLine(strings.Join(leaf.DNSNames, " ")), leaf.NotAfter
	}
}

// extensions are the ones that matter for sending mails.
func extensions() []string {
	return []string{"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING", "AUTH", "STARTTLS"}
}
