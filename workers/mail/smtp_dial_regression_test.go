package mail_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/workers/mail"
)

// It runs alone and without the garbage collector, which would close forgotten
// connections.
func TestFailedSessionLeavesNoConnection(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	certificate, _ := certify(t)
	for _, c := range rows() {
		if c.stage != mail.StageConnect {
			continue
		}
		relay := serveScripts(t, certificate, c.script)
		settings := relay.plain()
		if c.change != nil {
			c.change(&settings)
		}
		config := mail.Config{Relays: []mail.Relay{settings}, CommandTimeout: 20 * time.Second}
		if c.impatient {
			config.CommandTimeout = 100 * time.Millisecond
		}
		if _, err := newSender(t, config).Send(t.Context(), order("m1"), stored); err == nil {
			t.Errorf("%s: got no error", c.name)
		}
		relay.awaitEnd(t)
		if t.Failed() {
			t.Fatal(c.name)
		}
	}
}

func TestContextEndsSilentHandshake(t *testing.T) {
	t.Parallel()
	for mode, s := range map[string]script{
		mail.TLSStartTLS: {"EHLO": offersTLS, "STARTTLS": "220 go" + thenSilence},
		mail.TLSImplicit: {"greeting": silence},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			relay := serveScripts(t, nil, s)
			settings := relay.plain()
			settings.TLS = mode
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := newSender(t, mail.Config{Relays: []mail.Relay{settings}}).Send(ctx, order("m1"), stored)
			if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassRelay || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want class relay and the context's end", err)
			}
			if took := time.Since(began); took > 20*time.Second { // a command may take 30
				t.Errorf("got an answer after %s, want it at once", took)
			}
			relay.awaitEnd(t)
		})
	}
}

func TestCertificateForOtherHostIsRefused(t *testing.T) {
	t.Parallel()
	certificate, trusted := certify(t) // for 127.0.0.1
	for _, mode := range []string{mail.TLSStartTLS, mail.TLSImplicit} {
		h := startServer(t, &smtpServer{}, certificate, mode == mail.TLSImplicit)
		relay := mail.Relay{Host: "localhost", Port: h.port, TLS: mode, RootCAs: trusted}
		_, err := newSender(t, mail.Config{Relays: []mail.Relay{relay}}).Send(t.Context(), order("m1"), stored)
		failed, ok := errors.AsType[*mail.Error](err)
		if _, other := errors.AsType[x509.HostnameError](err); !ok || failed.Class != mail.ClassConfig || !other {
			t.Errorf("%s: got %v, want the certificate refused", mode, err)
		}
	}
}

// With the race detector this shows that sessions share no state.
func TestConcurrentSessionsWithTLSAndLogin(t *testing.T) {
	t.Parallel()
	var inside sync.WaitGroup
	inside.Add(8)
	h := &smtpServer{hold: func() {
		inside.Done()
		inside.Wait() // until all mails are under way
	}}
	certificate, trusted := certify(t)
	startServer(t, h, certificate, false)
	relay := mail.Relay{Host: h.host, Port: h.port, RootCAs: trusted, Username: "me", Password: "s3cret"}
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay}, Sessions: 8})
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			if _, err := s.Send(t.Context(), order(fmt.Sprintf("m%d", n)), stored); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for n := range 8 {
		id := fmt.Sprintf("Message-ID: <m%d@", n)
		if !slices.ContainsFunc(h.mails(), func(l received) bool { return strings.Contains(l.body, id) }) {
			t.Errorf("got no mail with %s", id)
		}
	}
}
