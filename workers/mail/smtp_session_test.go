package mail_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/workers/mail"
)

func mustSend(t *testing.T, s *mail.Sender, id string) mail.Receipt {
	t.Helper()
	receipt, err := s.Send(t.Context(), order(id), stored)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func TestMailArrivesUnchangedInEachTLSMode(t *testing.T) {
	t.Parallel()
	certificate, trusted := certify(t)
	for _, mode := range []string{mail.TLSStartTLS, mail.TLSImplicit, mail.TLSNone} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			offered := certificate
			if mode == mail.TLSNone {
				offered = nil
			}
			h := startServer(t, &smtpServer{}, offered, mode == mail.TLSImplicit)
			relay := mail.Relay{Host: h.host, Port: h.port, TLS: mode, RootCAs: trusted}
			if mode != mail.TLSNone {
				relay.Username, relay.Password = "me", "s3cret"
			}
			receipt := mustSend(t, newSender(t, mail.Config{Relays: []mail.Relay{relay}}), "m1")
			if receipt.Relay != fmt.Sprintf("127.0.0.1:%d", h.port) || !strings.HasPrefix(receipt.Reply, "250 2.0.0 OK") {
				t.Errorf("got receipt %+v", receipt)
			}
			want := received{"vedette@example.com", "ops@example.org", string(build(t, order("m1")).Bytes)}
			// The default sender has a name in build, and none in newSender.
			want.body = strings.Replace(want.body, `"Vedette" <vedette@example.com>`, "<vedette@example.com>", 1)
			if got := h.mails(); len(got) != 1 || got[0] != want {
				t.Errorf("got %+v, want %+v once", got, want)
			}
		})
	}
}

func TestWrongPasswordIsConfigError(t *testing.T) {
	t.Parallel()
	certificate, trusted := certify(t)
	h := startServer(t, &smtpServer{}, certificate, false)
	relay := mail.Relay{Host: h.host, Port: h.port, RootCAs: trusted, Username: "me", Password: "wr0ng"}
	_, err := newSender(t, mail.Config{Relays: []mail.Relay{relay}}).Send(t.Context(), order("m1"), stored)
	failed, ok := errors.AsType[*mail.Error](err)
	if !ok || failed.Class != mail.ClassConfig || failed.Reply.Code != 535 || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("got %v, want 535 of class config", err)
	}
}

func TestManyMailsShareOneSession(t *testing.T) {
	t.Parallel()
	h := startServer(t, &smtpServer{}, nil, false)
	s := newSender(t, mail.Config{Relays: []mail.Relay{h.plain()}, PerSession: 10})
	for n := range 25 {
		mustSend(t, s, fmt.Sprintf("m%d", n))
	}
	s.Close()
	if len(h.mails()) != 25 || h.sessions != 3 {
		t.Errorf("got %d mails on %d sessions, want 25 on 3 of 10 each", len(h.mails()), h.sessions)
	}
}

func TestMailAfterRefusedOneUsesSameSession(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{"RCPT": "550 5.1.1 no such user"})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	for range 3 {
		if _, err := s.Send(t.Context(), order("m1"), stored); resultOf(mail.JobError(err)) != "dead permanent" {
			t.Fatalf("got %v, want it refused for good", err)
		}
	}
	if got := strings.Join(relay.commands(), " "); got != "EHLO MAIL RCPT RSET MAIL RCPT RSET MAIL RCPT RSET" || relay.count() != 1 {
		t.Errorf("got %q on %d connections, want each refusal followed by RSET on one", got, relay.count())
	}
}

func TestConcurrentMailsStayBelowSessionLimit(t *testing.T) {
	t.Parallel()
	var inside sync.WaitGroup
	inside.Add(4)
	turn := make(chan int, 20)
	for n := range 20 {
		turn <- n
	}
	h := &smtpServer{hold: func() {
		if n := <-turn; n < 4 {
			inside.Done()
		}
		inside.Wait() // until four mails are under way
	}}
	startServer(t, h, nil, false)
	s := newSender(t, mail.Config{Relays: []mail.Relay{h.plain()}})
	var group sync.WaitGroup
	for n := range 20 {
		group.Go(func() {
			if _, err := s.Send(t.Context(), order(fmt.Sprintf("m%d", n)), stored); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	s.Close()
	if len(h.mails()) != 20 || h.most != 4 || h.sessions != 4 {
		t.Errorf("got %d mails on %d sessions, %d at once, want 20 on 4", len(h.mails()), h.sessions, h.most)
	}
}

func TestStaleSessionIsReplacedWithinAttempt(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]string{
		"without a word": hangUp, "with 421": "421 4.4.2 idle too long", "with 503": "503 5.5.1 who are you?",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The first connection carries one mail and closes at the second.
			relay := serveScripts(t, nil, script{"MAIL 2": second}, script{})
			s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
			mustSend(t, s, "m1")
			mustSend(t, s, "m2")
			mustSend(t, s, "m3")
			if relay.count() != 2 || len(relay.received()) != 3 {
				t.Errorf("got %d mails on %d connections, want 3 on 2", len(relay.received()), relay.count())
			}
		})
	}
}

func TestStaleSessionIsReplacedOnce(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{"MAIL 2": hangUp}, script{"MAIL": hangUp}, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	mustSend(t, s, "m1")
	_, err := s.Send(t.Context(), order("m2"), stored)
	if got := resultOf(mail.JobError(err)); got != "free true" || relay.count() != 2 {
		t.Errorf("got %q after %d connections, want the job back after 2", got, relay.count())
	}
}

func TestMailIsNotRepeatedAfterBodyWasSent(t *testing.T) {
	t.Parallel()
	for reply, class := range map[string]mail.Class{hangUp: mail.ClassUnknown, "421 4.3.2 closing": mail.ClassRelay} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			relay := serveScripts(t, nil, script{". 2": reply}, script{})
			s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
			mustSend(t, s, "m1")
			_, err := s.Send(t.Context(), order("m2"), stored)
			if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != class || failed.Stage != mail.StageDot {
				t.Errorf("got %v, want class %s at the dot", err, class)
			}
			if relay.count() != 1 {
				t.Errorf("got %d connections, want no other attempt", relay.count())
			}
		})
	}
}

func TestUnknownOutcomeTriesNoOtherRelay(t *testing.T) {
	t.Parallel()
	lossy, spare := serveScripts(t, nil, script{".": hangUp}), serveScripts(t, nil, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{lossy.plain(), spare.plain()}})
	_, err := s.Send(t.Context(), order("m1"), stored)
	if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassUnknown || spare.count() != 0 {
		t.Errorf("got %v and %d connections to the next relay, want class unknown and none", err, spare.count())
	}
}

func TestNextRelayIsUsedWhenOneFails(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		first script
		next  bool
	}{
		{"full", script{"greeting": "421 too many"}, true},
		{"blocking", script{"greeting": "554 no"}, true},
		{"lost before the body", script{"RCPT": hangUp}, true},
		{"refusing for now", script{"RCPT": "450 4.2.0 later"}, false},
		{"refusing for good", script{"RCPT": "550 5.1.1 no"}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			first, second := serveScripts(t, nil, c.first), serveScripts(t, nil, script{})
			s := newSender(t, mail.Config{Relays: []mail.Relay{first.plain(), second.plain()}})
			receipt, err := s.Send(t.Context(), order("m1"), stored)
			if (err == nil) != c.next || len(second.received()) == 1 != c.next {
				t.Errorf("got %+v, %v, want the next relay to be used: %t", receipt, err, c.next)
			}
		})
	}
}

func TestFailedRelayIsNotDialledWhileBreakerIsOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		greeting string
		least    time.Duration
	}{{"554 5.7.1 blocked", 50 * time.Second}, {"421 too many", 500 * time.Millisecond}} {
		relay := serveScripts(t, nil, script{"greeting": c.greeting})
		s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
		for range 20 {
			_, err := s.Send(t.Context(), order("m1"), stored)
			failed, ok := errors.AsType[*mail.Error](err)
			if !ok || failed.RetryAfter < c.least/2 || !strings.Contains(err.Error(), c.greeting) {
				t.Fatalf("got %v after %s, want the relay's words and a wait", err, failed.RetryAfter)
			}
		}
		if relay.count() != 1 {
			t.Errorf("%s: got %d connections for 20 mails, want 1", c.greeting, relay.count())
		}
	}
}

func TestWaitForSessionEndsWithContext(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{".": silence})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}, Sessions: 1})
	held, release := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _, _ = s.Send(held, order("m1"), stored) })
	relay.awaitCommand(t, "DATA") // the first mail holds the only session
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Send(ctx, order("m2"), stored)
	if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassRelay || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want class relay and the context's end", err)
	}
	release()
	group.Wait()
	if relay.count() != 1 {
		t.Errorf("got %d connections, want 1", relay.count())
	}
}

func TestIdleSessionSendsQuit(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}, Idle: 20 * time.Millisecond})
	mustSend(t, s, "m1")
	relay.awaitCommand(t, "QUIT")
	mustSend(t, s, "m2")
	if relay.count() != 2 {
		t.Errorf("got %d connections, want 2", relay.count())
	}
}

func TestServeEndsSessionsAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	for round := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx) }()
		mustSend(t, s, "m1")
		cancel()
		if err := <-served; err != nil {
			t.Fatal(err)
		}
		relay.awaitEnd(t)
		mustSend(t, s, "m2") // afterwards a mail is still sent, in its own session
		relay.awaitEnd(t)
		if got := len(relay.received()); got != 2*(round+1) {
			t.Errorf("got %d mails, want %d", got, 2*(round+1))
		}
	}
}

// A sender without an available relay starts no mail, and notices on its own when
// the relay is back.
func TestRecoveredRelayIsNoticedWithoutMail(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{"greeting": hangUp}, script{"greeting": hangUp}, script{})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	if !s.Available() {
		t.Error("got a relay of no use before anything was tried")
	}
	if _, err := s.Send(t.Context(), order("m1"), stored); err == nil || s.Available() {
		t.Errorf("got %v and open %v, want a relay that is known to be away", err, s.Available())
	}
	relay.awaitCommand(t, "EHLO") // in a session opened without a mail
	deadline := time.Now().Add(20 * time.Second)
	for !s.Available() && time.Now().Before(deadline) {
		<-time.After(5 * time.Millisecond)
	}
	mustSend(t, s, "m1")
	if relay.count() != 3 {
		t.Errorf("got %d connections, want two that failed and one that was kept for the mail", relay.count())
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
}

// A relay with a limit of two sessions delivers twenty concurrent mails and never
// counts as unreachable.
func TestSessionLimitIsNoFailure(t *testing.T) {
	t.Parallel()
	var inside sync.WaitGroup
	inside.Add(2)
	turn := make(chan int, 20)
	for n := range 20 {
		turn <- n
	}
	h := &smtpServer{limit: 2, hold: func() {
		if n := <-turn; n < 2 {
			inside.Done()
		}
		inside.Wait()
	}}
	startServer(t, h, nil, false)
	s := newSender(t, mail.Config{Relays: []mail.Relay{h.plain()}, Sessions: 8})
	var group sync.WaitGroup
	for n := range 20 {
		group.Go(func() {
			for {
				_, err := s.Send(t.Context(), order(fmt.Sprintf("m%d", n)), stored)
				if err == nil {
					return
				}
				if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassRelay {
					t.Errorf("got %v, want no fault of the mail", err)
					return
				}
				if !s.Available() {
					t.Error("got a relay of no use, want one with a limit")
				}
				<-time.After(20 * time.Millisecond) // the job is delivered again
			}
		})
	}
	group.Wait()
	if len(h.mails()) != 20 {
		t.Errorf("got %d mails, want 20", len(h.mails()))
	}
}

func TestOAuthTokenMechanisms(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{"EHLO": "250-relay.test\r\n250 AUTH PLAIN XOAUTH2", "AUTH": "235 2.7.0 welcome"})
	settings := relay.plain()
	settings.Username, settings.Password, settings.AllowCleartext, settings.Auth = "me@example.org", "token", true, "XOAUTH2"
	mustSend(t, newSender(t, mail.Config{Relays: []mail.Relay{settings}}), "m1")
	want := "AUTH XOAUTH2 " + base64.StdEncoding.EncodeToString([]byte("user=me@example.org\x01auth=Bearer token\x01\x01"))
	if got := relay.lines()[1]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	settings.Auth, settings.Password, settings.PasswordFile = "PLAIN", "", filepath.Join(t.TempDir(), "token")
	s := newSender(t, mail.Config{Relays: []mail.Relay{settings}, PerSession: 1})
	for i, password := range []string{"first\n", "second"} {
		if err := os.WriteFile(settings.PasswordFile, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		mustSend(t, s, fmt.Sprintf("file%d", i))
		want := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00me@example.org\x00"+strings.TrimSpace(password)))
		if !slices.Contains(relay.lines(), want) {
			t.Errorf("got %q, want %q among it", relay.lines(), want)
		}
	}
	for _, spoil := range []func() error{
		func() error { return os.WriteFile(settings.PasswordFile, []byte("a\nb\n"), 0o600) }, func() error { return os.Remove(settings.PasswordFile) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		s := newSender(t, mail.Config{Relays: []mail.Relay{settings}})
		_, err := s.Send(t.Context(), order("m2"), stored)
		if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassConfig || !errors.Is(err, mail.ErrNoPassword) || !strings.Contains(err.Error(), settings.PasswordFile) {
			t.Errorf("got %v, want class config, and the file named", err)
		}
	}
	settings.Auth = "MAGIC"
	if _, err := mail.New(mail.Config{Relays: []mail.Relay{settings}, From: "a@example.org"}); err == nil {
		t.Error("got an unknown mechanism accepted")
	}
}
