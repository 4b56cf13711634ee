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

// A mail that the relay has taken is sent, whatever the session comes to.
func TestNothingAfterTheAcceptanceMakesAMailFail(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]script{
		"the relay closes the connection": {".": "250 2.0.0 queued" + thenHangUp},
		"every other command is broken":   {"RSET": hangUp, "NOOP": hangUp, "VRFY": hangUp, "QUIT": hangUp},
		"every other command is refused":  {"RSET": "421 4.3.2 closing", "NOOP": "421 4.3.2 closing", "QUIT": "500 what?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			relay := serveScripts(t, nil, s)
			sender := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
			mustSend(t, sender, "m1")
			mustSend(t, sender, "m2") // which has to notice that the session is gone
			sender.Close()
			if got := relay.received(); len(got) != 2 || !strings.Contains(got[0], "<m1@") || !strings.Contains(got[1], "<m2@") {
				t.Errorf("got %q, want each mail once", got)
			}
		})
	}
}

func TestAnswerToTheDotCountsAfterTheContextsEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	h := openHouse(t, &house{hold: cancel}, nil, false)
	s := newSender(t, mail.Config{Relays: []mail.Relay{h.plain()}})
	if _, err := s.Send(ctx, order("m1"), stored); err != nil || len(h.letters()) != 1 {
		t.Errorf("got %v and %d mails, want one that counts as sent", err, len(h.letters()))
	}
}

func TestRefusalAtAnyStageLeavesTheSessionToTheNextMail(t *testing.T) {
	t.Parallel()
	for _, ehlo := range []string{"250 HELP", "250 PIPELINING"} {
		for _, verb := range []string{"MAIL", "RCPT", "DATA", "."} {
			t.Run(verb+" "+ehlo, func(t *testing.T) {
				t.Parallel()
				relay := serveScripts(t, nil, script{"EHLO": "250-relay.test\r\n" + ehlo, verb + " 1": "554 5.7.1 not this one"})
				s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
				if _, err := s.Send(t.Context(), order("m1"), stored); fateOf(mail.Fate(err)) != "dead permanent" {
					t.Fatalf("got %v, want it refused for good", err)
				}
				mustSend(t, s, "m2")
				if relay.count() != 1 {
					t.Errorf("got %d connections, want 1; heard %q", relay.count(), relay.commands())
				}
			})
		}
	}
}

func TestMailThatCannotBeBuiltReachesNoRelay(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	m := order("m1")
	m.Subject = strings.Repeat("x", 1200) // what is wrong with it shows when it is written
	if _, err := s.Send(t.Context(), m, stored); !errors.Is(err, mail.ErrInvalid) {
		t.Errorf("got %v, want it invalid", err)
	}
	if relay.count() != 0 {
		t.Errorf("got %d connections, want none; heard %q", relay.count(), relay.commands())
	}
}

// A relay takes what it has when the dot comes; so no dot may follow a body that
// was cut short.
func TestBodyThatIsCutShortIsNeverEnded(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{"DATA": stall})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	m := order("m1")
	m.Text = strings.Repeat("a line of some length that is repeated\n", 1<<18) // more than the system buffers
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		relay.awaitCommand(t, "(stalled)")
		cancel()
		relay.resume()
	})
	_, err := s.Send(ctx, m, stored)
	group.Wait()
	if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassRelay || failed.Stage != mail.StageBody {
		t.Errorf("got %v, want class relay in the body", err)
	}
	relay.awaitEnd(t)
	if got := relay.received(); len(got) != 0 {
		t.Errorf("got %d bodies, the first of %d bytes, want none that ended", len(got), len(got[0]))
	}
}

func TestJobThatShowsManyNamesHasOneRecipient(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	if _, err := s.Send(t.Context(), full(), stored); err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(relay.lines(), func(line string) bool { return !strings.HasPrefix(line, "RCPT") })
	if want := []string{"RCPT TO:<ops@example.org>"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is refused after the first refusal is refused because of it.
func TestFirstRefusalDecides(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{
		"EHLO": "250-relay.test\r\n250 PIPELINING", "MAIL": "451 4.3.0 later", "RCPT": "550 5.5.1 MAIL first", "DATA": "554 5.5.1 RCPT first",
	})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	_, err := s.Send(t.Context(), order("m1"), stored)
	if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassTemporary || failed.Stage != mail.StageMail || failed.Reply.Code != 451 {
		t.Errorf("got %v, want 451 of MAIL", err)
	}
}

// It runs alone and without the garbage collector, which closes what was
// forgotten.
func TestSessionThatWasNotOpenedLeavesNoConnection(t *testing.T) {
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

func TestSilenceInTheHandshakeEndsWithTheContext(t *testing.T) {
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

func TestCertificateOfAnotherHostIsRefused(t *testing.T) {
	t.Parallel()
	certificate, trusted := certify(t) // for 127.0.0.1
	for _, mode := range []string{mail.TLSStartTLS, mail.TLSImplicit} {
		h := openHouse(t, &house{}, certificate, mode == mail.TLSImplicit)
		relay := mail.Relay{Host: "localhost", Port: h.port, TLS: mode, RootCAs: trusted}
		_, err := newSender(t, mail.Config{Relays: []mail.Relay{relay}}).Send(t.Context(), order("m1"), stored)
		failed, ok := errors.AsType[*mail.Error](err)
		if _, other := errors.AsType[x509.HostnameError](err); !ok || failed.Class != mail.ClassConfig || !other {
			t.Errorf("%s: got %v, want the certificate refused", mode, err)
		}
	}
}

// With the race detector this shows that sessions have nothing in common.
func TestManySessionsWithTLSAndLoginAtOnce(t *testing.T) {
	t.Parallel()
	var inside sync.WaitGroup
	inside.Add(8)
	h := &house{hold: func() {
		inside.Done()
		inside.Wait() // until all mails are under way at once
	}}
	certificate, trusted := certify(t)
	openHouse(t, h, certificate, false)
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
		if !slices.ContainsFunc(h.letters(), func(l letter) bool { return strings.Contains(l.body, id) }) {
			t.Errorf("got no mail with %s", id)
		}
	}
}
