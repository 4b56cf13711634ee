package mail

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	gomail "github.com/wneessen/go-mail"
)

// openSession dials and goes through EHLO, STARTTLS and AUTH as the relay's
// settings require. The dial may take as long as one command, and so may all
// that follows. No error contains the password.
func openSession(ctx context.Context, r Relay, config *Config) (*session, error) {
	r, err := r.withPassword()
	if err != nil {
		return nil, err
	}
	s := &session{config: config}
	stop := func() bool { return true }
	dial := func(dialCtx context.Context, network, address string) (net.Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(dialCtx, network, address)
		if err != nil {
			return nil, err
		}
		s.conn = raw
		// go-mail obeys the context only while it dials. Afterwards closing the
		// connection ends the dialogue.
		stop = context.AfterFunc(ctx, s.abort)
		return r.implicitTLS(dialCtx, raw)
	}
	client, err := gomail.NewClient(r.Host, r.options(config, dial)...)
	if err != nil {
		return nil, fmt.Errorf("set up session: %w", redactPassword(err, r))
	}
	s.client, err = client.DialToSMTPClientWithContext(ctx)
	if interrupted := !stop(); interrupted && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		s.abort() // go-mail leaves the connection open when a step after the dial fails
		return nil, redactPassword(err, r)
	}
	return s, nil
}

// implicitTLS starts TLS at once if the relay's settings ask for it.
func (r Relay) implicitTLS(ctx context.Context, raw net.Conn) (net.Conn, error) {
	if r.TLS != TLSImplicit {
		return raw, nil
	}
	encrypted := tls.Client(raw, r.tlsConfig())
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return encrypted, nil
}

func (r Relay) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: r.Host, RootCAs: r.RootCAs, MinVersion: tls.VersionTLS12}
}

// options returns the relay's settings for go-mail. Each dial needs its own
// client, because a client cannot log in twice.
func (r Relay) options(config *Config, dial gomail.DialContextFunc) []gomail.Option {
	policy := gomail.NoTLS
	if r.TLS == TLSStartTLS {
		policy = gomail.TLSMandatory
	}
	options := []gomail.Option{
		gomail.WithPort(r.Port), gomail.WithHELO(config.Hello), gomail.WithTimeout(config.CommandTimeout),
		gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(r.tlsConfig()), gomail.WithDialContextFunc(dial),
	}
	if r.Username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&authenticator{relay: r}))
	}
	return options
}
