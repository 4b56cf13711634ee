package mail_test

import (
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette/workers/mail"
)

// row is a behaviour of a relay with the expected result.
type row struct {
	name   string
	script script
	// change changes the relay's settings.
	change           func(*mail.Relay)
	impatient, large bool
	stage            mail.Stage
	class            mail.Class
	result           string
	// reset is true if RSET must be sent, kept if the session must stay open.
	reset, kept bool
}

const offersTLS = "250-relay.test\r\n250 STARTTLS"

func rows() []row {
	const free = "free true"
	login := func(r *mail.Relay) { r.Username, r.Password, r.AllowCleartext = "me", "s3cret", true }
	starttls := func(r *mail.Relay) { r.TLS = mail.TLSStartTLS }
	return []row{
		{name: "takes it", stage: mail.StageDot, class: mail.ClassDelivered, result: "done", kept: true},
		{name: "takes it with several lines", script: script{".": "250-2.0.0 queued\r\n250 as 1"}, class: mail.ClassDelivered, result: "done", kept: true},
		{name: "greylists MAIL", script: script{"MAIL": "450 4.2.0 later"}, stage: mail.StageMail, class: mail.ClassTemporary, result: "attempt", reset: true, kept: true},
		{name: "refuses MAIL", script: script{"MAIL": "550 5.7.1 not you"}, stage: mail.StageMail, class: mail.ClassPermanent, result: "dead permanent", reset: true, kept: true},
		{name: "greylists RCPT", script: script{"RCPT": "450 4.2.0 later"}, stage: mail.StageRcpt, class: mail.ClassTemporary, result: "attempt", reset: true, kept: true},
		{name: "refuses RCPT", script: script{"RCPT": "550 5.1.1 no such user"}, stage: mail.StageRcpt, class: mail.ClassPermanent, result: "dead permanent", reset: true, kept: true},
		{name: "has a full mailbox", script: script{"RCPT": "552 5.2.2 full"}, stage: mail.StageRcpt, class: mail.ClassTemporary, result: "attempt", reset: true, kept: true},
		{name: "postpones DATA", script: script{"DATA": "451 4.3.0 later"}, stage: mail.StageData, class: mail.ClassTemporary, result: "attempt", reset: true, kept: true},
		{name: "refuses DATA", script: script{"DATA": "554 5.5.0 no"}, stage: mail.StageData, class: mail.ClassPermanent, result: "dead permanent", reset: true, kept: true},
		{name: "answers DATA with 250", script: script{"DATA": "250 ok"}, stage: mail.StageData, class: mail.ClassRelay, result: free},
		{name: "postpones the dot", script: script{".": "452 4.3.1 disk full"}, stage: mail.StageDot, class: mail.ClassTemporary, result: "attempt", kept: true},
		{name: "refuses the dot", script: script{".": "554 5.7.1 spam"}, stage: mail.StageDot, class: mail.ClassPermanent, result: "dead permanent", kept: true},
		{name: "refuses RCPT and then RSET", script: script{"RCPT": "550 5.1.1 no", "RSET": "500 what?"}, stage: mail.StageRcpt, class: mail.ClassPermanent, result: "dead permanent", reset: true},
		{name: "refuses RCPT and hangs up at RSET", script: script{"RCPT": "550 5.1.1 no", "RSET": hangUp}, stage: mail.StageRcpt, class: mail.ClassPermanent, result: "dead permanent", reset: true},

		{name: "goes away at MAIL", script: script{"MAIL": "421 4.3.2 closing"}, stage: mail.StageMail, class: mail.ClassRelay, result: free},
		{name: "goes away at RCPT", script: script{"RCPT": "421 4.3.2 closing"}, stage: mail.StageRcpt, class: mail.ClassRelay, result: free},
		{name: "goes away at the dot", script: script{".": "421 4.3.2 closing"}, stage: mail.StageDot, class: mail.ClassRelay, result: free},
		{name: "has lost count", script: script{"RCPT": "503 5.5.1 MAIL first"}, stage: mail.StageRcpt, class: mail.ClassRelay, result: free},
		{name: "wants a login after all", script: script{"MAIL": "530 5.7.0 authenticate"}, stage: mail.StageMail, class: mail.ClassConfig, result: free},

		{name: "is silent at first", script: script{"greeting": silence}, impatient: true, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "is silent at EHLO", script: script{"EHLO": silence}, impatient: true, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "is silent at MAIL", script: script{"MAIL": silence}, impatient: true, stage: mail.StageMail, class: mail.ClassRelay, result: free},
		{name: "is silent at DATA", script: script{"DATA": silence}, impatient: true, stage: mail.StageData, class: mail.ClassRelay, result: free},
		{name: "is silent after the dot", script: script{".": silence}, impatient: true, stage: mail.StageDot, class: mail.ClassUnknown, result: "attempt"},
		{name: "greets with garbage", script: script{"greeting": "hello"}, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "answers MAIL with garbage", script: script{"MAIL": "\x00\xff?"}, stage: mail.StageMail, class: mail.ClassRelay, result: free},
		{name: "answers the dot with garbage", script: script{".": "\x00\xff?"}, stage: mail.StageDot, class: mail.ClassUnknown, result: "attempt"},
		{name: "knows neither EHLO nor HELO", script: script{"EHLO": "502 5.5.1 what?", "HELO": "502 5.5.1 what?"}, stage: mail.StageConnect, class: mail.ClassConfig, result: free},
		{name: "hangs up at EHLO", script: script{"EHLO": hangUp}, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "hangs up at first", script: script{"greeting": hangUp}, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "hangs up at RCPT", script: script{"RCPT": hangUp}, stage: mail.StageRcpt, class: mail.ClassRelay, result: free},
		{name: "hangs up in the body", script: script{"DATA": readABit}, large: true, stage: mail.StageBody, class: mail.ClassRelay, result: free},
		{name: "hangs up after the dot", script: script{".": hangUp}, stage: mail.StageDot, class: mail.ClassUnknown, result: "attempt"},

		{name: "is full at first", script: script{"greeting": "421 4.3.2 too many"}, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "is busy at first", script: script{"greeting": "450 4.3.2 busy"}, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "blocks us", script: script{"greeting": "554 5.7.1 blocked"}, stage: mail.StageConnect, class: mail.ClassConfig, result: free},
		{name: "refuses the password", script: script{"EHLO": "250-relay.test\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 wrong"}, change: login, stage: mail.StageConnect, class: mail.ClassConfig, result: free},
		{name: "cannot check the password now", script: script{"EHLO": "250-relay.test\r\n250 AUTH PLAIN", "AUTH": "454 4.7.0 later"}, change: login, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "offers no AUTH", change: login, stage: mail.StageConnect, class: mail.ClassConfig, result: free},
		{name: "offers unknown AUTH only", script: script{"EHLO": "250-relay.test\r\n250 AUTH GSSAPI"}, change: login, stage: mail.StageConnect, class: mail.ClassConfig, result: free},
		{name: "has STARTTLS stripped", change: starttls, stage: mail.StageConnect, class: mail.ClassConfig, result: free},
		{name: "refuses STARTTLS for now", script: script{"EHLO": offersTLS, "STARTTLS": "454 4.7.0 later"}, change: starttls, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "refuses STARTTLS", script: script{"EHLO": offersTLS, "STARTTLS": "501 5.5.4 no"}, change: starttls, stage: mail.StageConnect, class: mail.ClassConfig, result: free},
		{name: "hangs up at STARTTLS", script: script{"EHLO": offersTLS, "STARTTLS": hangUp}, change: starttls, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "has an untrusted certificate", script: script{"EHLO": offersTLS, "STARTTLS": "220 go"}, change: func(r *mail.Relay) {
			r.TLS, r.RootCAs = mail.TLSStartTLS, x509.NewCertPool()
		}, stage: mail.StageConnect, class: mail.ClassConfig, result: free},
		{name: "is silent in the handshake", script: script{"greeting": silence}, impatient: true, change: func(r *mail.Relay) { r.TLS = mail.TLSImplicit }, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "is silent after STARTTLS", script: script{"EHLO": offersTLS, "STARTTLS": "220 go" + thenSilence}, impatient: true, change: starttls, stage: mail.StageConnect, class: mail.ClassRelay, result: free},
		{name: "speaks no TLS where it should", change: func(r *mail.Relay) { r.TLS = mail.TLSImplicit }, stage: mail.StageConnect, class: mail.ClassConfig, result: free},
	}
}

// pipelined returns the same relays with PIPELINING.
func pipelined(all []row) []row {
	var more []row
	for _, c := range all {
		if c.script["EHLO"] != "" {
			continue
		}
		s := script{"EHLO": "250-relay.test\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES"}
		maps.Copy(s, c.script)
		c.name, c.script = c.name+", pipelined", s
		more = append(more, c)
	}
	return more
}

func TestRelayRepliesDecideJobResult(t *testing.T) {
	t.Parallel()
	certificate, _ := certify(t)
	for _, c := range append(rows(), pipelined(rows())...) {
		t.Run("relay "+c.name, func(t *testing.T) {
			t.Parallel()
			relay := serveScripts(t, certificate, c.script)
			settings := relay.plain()
			if c.change != nil {
				c.change(&settings)
			}
			config := mail.Config{Relays: []mail.Relay{settings}, CommandTimeout: 20 * time.Second, DotTimeout: 20 * time.Second}
			if c.impatient {
				beImpatient(&config, c.stage)
			}
			s := newSender(t, config)
			m := order("m1")
			if c.large {
				m.HTML = strings.Repeat("a line of some length that is repeated\n", 1<<18)
			}
			_, err := s.Send(t.Context(), m, stored)
			check(t, c, err)
			if got := slices.Contains(relay.commands(), "RSET"); got != c.reset {
				t.Errorf("got RSET %t, want %t; heard %q", got, c.reset, relay.commands())
			}
			s.Close() // sends QUIT in a kept session; any other is closed already
			if got := slices.Contains(relay.commands(), "QUIT"); got != c.kept && c.stage != mail.StageConnect {
				t.Errorf("got session kept %t, want %t; heard %q", got, c.kept, relay.commands())
			}
			relay.awaitEnd(t)
			if relay.count() != 1 {
				t.Errorf("got %d connections, want 1", relay.count())
			}
		})
	}
}

// beImpatient makes the timeout of a stage short, and those before it long enough
// for a busy machine.
func beImpatient(config *mail.Config, stage mail.Stage) {
	switch stage {
	case mail.StageDot:
		config.DotTimeout = 300 * time.Millisecond
	case mail.StageConnect:
		config.CommandTimeout = 300 * time.Millisecond
	default:
		config.CommandTimeout = 2 * time.Second // also for the dial
	}
}

func check(t *testing.T, c row, err error) {
	t.Helper()
	if got := resultOf(mail.JobError(err)); got != c.result {
		t.Errorf("got result %q of %v, want %q", got, err, c.result)
	}
	if c.class == mail.ClassDelivered {
		return
	}
	failed, ok := errors.AsType[*mail.Error](err)
	if !ok || failed.Class != c.class || failed.Stage != c.stage {
		t.Errorf("got %+v, want %s at %s", err, c.class, c.stage)
		return
	}
	if strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "127.0.0.1:") {
		t.Errorf("got %q, want the relay and no password", err)
	}
}

func TestUnreachableRelayCountsNoAttempt(t *testing.T) {
	t.Parallel()
	gone := serveScripts(t, nil, script{"greeting": hangUp})
	for name, relay := range map[string]mail.Relay{
		"refused": {Host: "127.0.0.1", Port: 1, TLS: mail.TLSNone},
		"no name": {Host: "relay.invalid", Port: gone.port, TLS: mail.TLSNone},
	} {
		_, err := newSender(t, mail.Config{Relays: []mail.Relay{relay}}).Send(t.Context(), order("m1"), stored)
		if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassRelay || failed.Stage != mail.StageConnect {
			t.Errorf("%s: got %v, want class relay at connect", name, err)
		}
	}
}

func TestContextEndsDialogueBeforeDot(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"greeting", "EHLO", "MAIL", "RCPT", "DATA"} {
		t.Run("silent at "+verb, func(t *testing.T) {
			t.Parallel()
			relay := serveScripts(t, nil, script{verb: silence})
			s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain(), relay.plain()}})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			began := time.Now()
			_, err := s.Send(ctx, order("m1"), stored)
			if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassRelay || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want class relay and the context's end", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("got an answer after %s, want it at once", took)
			}
			if relay.count() > 1 {
				t.Error("got another dial after the context's end, want none")
			}
		})
	}
}

func TestRelayMayAnswerDotAfterContextEnd(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{".": silence})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Send(ctx, order("m1"), stored)
	if failed, ok := errors.AsType[*mail.Error](err); !ok || failed.Class != mail.ClassUnknown {
		t.Errorf("got %v, want class unknown", err)
	}
	if took := time.Since(began); took < 1500*time.Millisecond || took > 20*time.Second {
		t.Errorf("got an answer after %s, want it 1.5 s after the end", took)
	}
}

func TestRepeatedPasswordIsRedacted(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{"EHLO": "250-relay.test\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 s3cret and AG1lAHMzY3JldA== are wrong"})
	settings := relay.plain()
	settings.Username, settings.Password, settings.AllowCleartext = "me", "s3cret", true
	_, err := newSender(t, mail.Config{Relays: []mail.Relay{settings}}).Send(t.Context(), order("m1"), stored)
	if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "AG1lAHMzY3JldA") || !strings.Contains(err.Error(), "535 5.7.8 ****") {
		t.Errorf("got %v, want the relay's words without the password", err)
	}
}

func TestNonASCIIAddressNeedsSMTPUTF8(t *testing.T) {
	t.Parallel()
	cases := []struct {
		ehlo, to, mail, result string
	}{
		{"250 SMTPUTF8", "ops@example.org", "MAIL FROM:<vedette@example.com>", "done"},
		{"250 SMTPUTF8", "größe@example.org", "MAIL FROM:<vedette@example.com> SMTPUTF8", "done"},
		{"250 HELP", "größe@example.org", "", "dead permanent"},
	}
	for _, c := range cases {
		relay := serveScripts(t, nil, script{"EHLO": "250-relay.test\r\n" + c.ehlo})
		m := order("m1")
		m.To = c.to
		_, err := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}}).Send(t.Context(), m, stored)
		if got := resultOf(mail.JobError(err)); got != c.result {
			t.Errorf("%s to %s: got %q, want %q", c.ehlo, c.to, got, c.result)
		}
		if c.mail != "" && !slices.Contains(relay.lines(), c.mail) {
			t.Errorf("%s to %s: got %q, want %q", c.ehlo, c.to, relay.lines(), c.mail)
		}
	}
}

// A relay that refuses the recipient but waits for a body gets an empty one. The
// next mail in the session is not affected.
func TestSessionSurvivesPipelinedRefusal(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{"EHLO": "250-relay.test\r\n250 PIPELINING", "RCPT 1": "550 5.1.1 no such user"})
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}})
	if _, err := s.Send(t.Context(), order("m1"), stored); resultOf(mail.JobError(err)) != "dead permanent" {
		t.Fatalf("got %v, want it refused for good", err)
	}
	mustSend(t, s, "m2")
	bodies := relay.received()
	if len(bodies) != 2 || bodies[0] != "" || !strings.Contains(bodies[1], "<m2@") || relay.count() != 1 {
		t.Errorf("got bodies %q on %d connections, want nothing of the first mail and all of the second", bodies, relay.count())
	}
	if got := strings.Join(relay.commands(), " "); got != "EHLO MAIL RCPT DATA RSET MAIL RCPT DATA" {
		t.Errorf("got %q", got)
	}
}

func TestSizeIsDeclaredBeforeBody(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{"EHLO": "250-relay.test\r\n250-PIPELINING\r\n250 SIZE 1000", "MAIL": "552 5.3.4 too large"})
	_, err := newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}}).Send(t.Context(), order("m1"), stored)
	if resultOf(mail.JobError(err)) != "dead permanent" || !strings.Contains(strings.Join(relay.lines(), "\n"), " SIZE=") {
		t.Errorf("got %v after %q, want the size told and the mail refused", err, relay.lines())
	}
}
