package mail_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

// to is a short mail to an address in Postfix's domain.
func to(who, id string) job.Mail {
	m := order(id)
	m.To = who + "@example.test"
	return m
}

// large is a mail of more than 100 KB.
func large(id string) job.Mail {
	m := to("ops", id)
	m.Attachments = []job.Attachment{{Name: "large", Content: make([]byte, 100_000)}}
	return m
}

// difficult is a mail full of what careless programs damage.
func difficult() job.Mail {
	every := make([]byte, 1<<16)
	for i := range every {
		every[i] = byte(i ^ i>>8)
	}
	return job.Mail{
		V: 1, ID: "m1", To: "Jörg Müller <ops@example.test>", CC: []string{"Chefin – 上司 <chef@example.test>"}, ReplyTo: "help@example.test",
		Subject: "[DOWN] größe: " + strings.Repeat("Verbindung zurückgewiesen – ", 10) + "サービス",
		Headers: map[string]string{"X-Ticket": "4711"}, Thread: "incident1",
		Text: ".\n..\n.begins with a dot\nFrom the start of a line\n=3D ends in blanks  \n\n" + strings.Repeat("lange Zeile ", 1000) + "\n.\n",
		HTML: "<p>\n.\nGrüße, señor 🙂</p>\n<!-- " + strings.Repeat("x", 5000) + " -->\n",
		Attachments: []job.Attachment{
			{Name: "übersicht.csv", Type: "text/csv; charset=utf-8", Content: []byte("a;b\r\n.\r\n1;2\n\rü")},
			{Name: "all.bin", Content: every},
			{Name: "empty"},
		},
	}
}

func TestPostfixDeliversMails(t *testing.T) {
	t.Parallel()
	p := startPostfix(t)
	s := newSender(t, mail.Config{Relays: []mail.Relay{p.relay()}})
	m := difficult()
	receipt, err := s.Send(t.Context(), m, stored)
	if err != nil || receipt.Relay != fmt.Sprintf("localhost:%d", p.port) || !strings.HasPrefix(receipt.Reply, "250 2.0.0 Ok: queued as ") {
		t.Fatalf("got %+v, %v, want Postfix's word that it has the mail", receipt, err)
	}
	mails := p.mails(t)
	if len(mails) != 1 {
		t.Fatalf("got %d mails, want one: who is shown is not mailed by that", len(mails))
	}
	got := openMail(t, mails[0])
	for name, want := range map[string]string{
		"Return-Path": "<vedette@example.com>", "Delivered-To": "ops@example.test",
		"From": "<vedette@example.com>", "To": `Jörg Müller <ops@example.test>`, "Cc": `Chefin – 上司 <chef@example.test>`, "Reply-To": "<help@example.test>",
		"Subject": m.Subject, "Date": "Sun, 01 Mar 2026 12:00:07 +0000", "Message-Id": "<m1@example.com>",
		"In-Reply-To": "<incident1@example.com>", "References": "<incident1@example.com>", "X-Ticket": "4711",
		"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "Mime-Version": "1.0",
	} {
		if words := got.words(t, name); words != want {
			t.Errorf("%s: got %q, want %q", name, words, want)
		}
	}
	for name, want := range map[string]string{"To": "Jörg Müller", "Cc": "Chefin – 上司"} {
		if all, err := got.header.AddressList(name); err != nil || len(all) != 1 || all[0].Name != want {
			t.Errorf("%s: got %v, %v, want %q", name, all, err, want)
		}
	}
	// Extended, secured and authenticated (RFC 3848), and not UTF8SMTPSA (RFC
	// 6531), which the next relay might not speak: only names are not ASCII.
	if received := got.header.Get("Received"); !strings.Contains(received, " with ESMTPSA ") || !strings.HasPrefix(received, "from worker.test ") {
		t.Errorf("got received %q, want TLS, a login and no SMTPUTF8", received)
	}
	const alternative = "multipart/mixed multipart/alternative "
	want := []leaf{
		{Path: alternative + "text/plain", Charset: "UTF-8", Content: m.Text},
		{Path: alternative + "text/html", Charset: "UTF-8", Content: m.HTML},
		{Path: "multipart/mixed text/csv", Charset: "utf-8", Filename: "übersicht.csv", Content: string(m.Attachments[0].Content)},
		{Path: "multipart/mixed application/octet-stream", Filename: "all.bin", Content: string(m.Attachments[1].Content)},
		{Path: "multipart/mixed application/octet-stream", Filename: "empty"},
	}
	if diff := cmp.Diff(want, got.leaves); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPostfixGetsSameBytesAtEachAttempt(t *testing.T) {
	t.Parallel()
	p := startPostfix(t)
	m := difficult()
	built, err := mail.Build(m, mail.Defaults{From: "vedette@example.com", Stored: stored})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(string(built.Bytes), "\r\n", "\n")
	const attempts = 3
	for range attempts { // each by another worker, as after a crash
		if _, err := newSender(t, mail.Config{Relays: []mail.Relay{p.relay()}}).Send(t.Context(), m, stored); err != nil {
			t.Fatal(err)
		}
	}
	mails := p.mails(t)
	if len(mails) != attempts {
		t.Errorf("got %d mails, want %d", len(mails), attempts)
	}
	for _, raw := range mails {
		if diff := cmp.Diff(want, openMail(t, raw).own); diff != "" {
			t.Errorf("below Postfix's own fields (-want +got):\n%s", diff)
		}
	}
}

// answer is a reply from Postfix with the expected result.
type answer struct {
	name string
	// change changes the settings or the mail.
	change        func(*mail.Relay)
	mail          job.Mail
	class         mail.Class
	stage         mail.Stage
	result, words string
}

func answers() []answer {
	const free = "free true"
	good := to("ops", "m1")
	return []answer{
		{"451", nil, to("busy", "m1"), mail.ClassTemporary, mail.StageRcpt, "attempt", "451 4.3.0 <busy@example.test>: Recipient address rejected: I am busy, come back later"},
		{"452", nil, to("full", "m1"), mail.ClassTemporary, mail.StageRcpt, "attempt", "452 4.2.2 <full@example.test>: Recipient address rejected: the mailbox is full"},
		{"550", nil, to("unknown", "m1"), mail.ClassPermanent, mail.StageRcpt, "dead permanent", "550 5.1.1 <unknown@example.test>: Recipient address rejected: unknown user"},
		{"421", nil, to("closing", "m1"), mail.ClassRelay, mail.StageRcpt, free, "421 4.3.2 <closing@example.test>: Recipient address rejected: I am closing for today"},
		{"another domain", nil, order("m1"), mail.ClassPermanent, mail.StageRcpt, "dead permanent", "554 5.7.1 <ops@example.org>: Relay access denied"},
		{"too large", nil, large("m1"), mail.ClassPermanent, mail.StageMail, "dead permanent", "552 5.3.4 Message size exceeds fixed limit"},
		{"wrong password", func(r *mail.Relay) { r.Password = "wr0ng" }, good, mail.ClassConfig, mail.StageConnect, free, "535 5.7.8 Error: authentication failed"},
		{"wrong password by LOGIN", func(r *mail.Relay) { r.Password, r.Auth = "wr0ng", "LOGIN" }, good, mail.ClassConfig, mail.StageConnect, free, "535 5.7.8 Error: authentication failed"},
		{"a mechanism it does not offer", func(r *mail.Relay) { r.Auth = "SCRAM-SHA-256" }, good, mail.ClassConfig, mail.StageConnect, free, mail.ErrNoAuth.Error()},
		{"no TLS", func(r *mail.Relay) { r.TLS, r.Username, r.Password = mail.TLSNone, "", "" }, good, mail.ClassConfig, mail.StageMail, free, "530 5.7.0 Must issue a STARTTLS command first"},
		{"TLS at once", func(r *mail.Relay) { r.TLS = mail.TLSImplicit }, good, mail.ClassConfig, mail.StageConnect, free, "first record does not look like a TLS handshake"},
		{"untrusted certificate", func(r *mail.Relay) { r.RootCAs = x509.NewCertPool() }, good, mail.ClassConfig, mail.StageConnect, free, "certificate signed by unknown authority"},
		{"certificate for another name", func(r *mail.Relay) { r.Host = "127.0.0.1" }, good, mail.ClassConfig, mail.StageConnect, free, "cannot validate certificate for 127.0.0.1"},
	}
}

func TestPostfixRepliesDecideJobResult(t *testing.T) {
	t.Parallel()
	p := startPostfix(t, "size=50000")
	for _, c := range answers() {
		relay := p.relay()
		if c.change != nil {
			c.change(&relay)
		}
		s := newSender(t, mail.Config{Relays: []mail.Relay{relay}})
		_, err := s.Send(t.Context(), c.mail, stored)
		failed, ok := errors.AsType[*mail.Error](err)
		if !ok || failed.Class != c.class || failed.Stage != c.stage || resultOf(mail.JobError(err)) != c.result {
			t.Errorf("%s: got %v, result %q, want %s at %s, result %q", c.name, err, resultOf(mail.JobError(err)), c.class, c.stage, c.result)
			continue
		}
		if !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), relay.Password) && relay.Password != "" {
			t.Errorf("%s: got %q, want %q in it and no password", c.name, err, c.words)
		}
		if c.class == mail.ClassConfig {
			continue // the circuit breaker is open
		}
		if _, err := s.Send(t.Context(), to("ops", "m2"), stored); err != nil {
			t.Errorf("%s: got %v for the next mail, want it to arrive", c.name, err)
		}
	}
	for _, raw := range p.mails(t) {
		if got := openMail(t, raw).id(); got != "m2@example.com" {
			t.Errorf("got %s, want only what Postfix has said to have taken", got)
		}
	}
	if got := len(p.mails(t)); got != 6 {
		t.Errorf("got %d mails, want that after each of six", got)
	}
}

// Postfix closes a session after twenty errors, and counts two or three for a
// refused mail, because RCPT and DATA were pipelined.
func TestPostfixDeliversMailAmongRefusedOnes(t *testing.T) {
	t.Parallel()
	p := startPostfix(t, "size=50000")
	s := newSender(t, mail.Config{Relays: []mail.Relay{p.relay()}, Sessions: 1})
	const rounds = 3
	for round := range rounds {
		for n := range 12 {
			m, words := to("unknown", "refused"), "RCPT: 550 5.1.1"
			if n == round {
				m, words = large("refused"), "MAIL: 552 5.3.4"
			}
			_, err := s.Send(t.Context(), m, stored)
			if resultOf(mail.JobError(err)) != "dead permanent" || !strings.Contains(err.Error(), words) {
				t.Errorf("mail %d of round %d: got %v, want %s and no other try", n, round, err, words)
			}
		}
		if _, err := s.Send(t.Context(), to("ops", fmt.Sprintf("m%d", round)), stored); err != nil {
			t.Errorf("got %v after round %d, want the mail to arrive", err, round)
		}
	}
	s.Close()
	p.arrived(t, rounds)
	if got := p.sessions(t); len(got) != rounds+1 {
		t.Errorf("got %d sessions, want one ended by Postfix in each round:\n%s", len(got), strings.Join(got, ""))
	}
}

func TestPostfixDeliversGreylistedMailOnRetry(t *testing.T) {
	t.Parallel()
	p := startPostfix(t, "grey=2")
	s := newSender(t, mail.Config{Relays: []mail.Relay{p.relay()}})
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	attempts := 1
	for deadline := time.Now().Add(30 * time.Second); ; attempts++ {
		_, err := s.Send(t.Context(), to("grey", "m1"), stored)
		if err == nil {
			break
		}
		failed, ok := errors.AsType[*mail.Error](err)
		if !ok || failed.Class != mail.ClassTemporary || failed.Reply.Enhanced != "4.2.0" || resultOf(mail.JobError(err)) != "attempt" ||
			!strings.Contains(err.Error(), "RCPT: 450 4.2.0 <grey@example.test>: Recipient address rejected: greylisted, come back in 2 seconds") {
			t.Fatalf("got %v, want an attempt that says for how long", err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v after 30 s, want the mail taken", err)
		}
		<-retry.C
	}
	if mails := p.mails(t); len(mails) != 1 || attempts == 1 || openMail(t, mails[0]).id() != "m1@example.com" {
		t.Errorf("got %q after %d attempts, want one mail after several", mails, attempts)
	}
}

func TestPostfixDeliversToNonASCIIAddress(t *testing.T) {
	t.Parallel()
	p := startPostfix(t)
	found, err := mail.Inspect(t.Context(), p.relay(), "worker.test")
	if err != nil || !found.Login || found.Certificate != "localhost" || !slices.Contains(found.Extensions, "PIPELINING") {
		t.Fatalf("got %+v, %v, want a login, TLS and PIPELINING", found, err)
	}
	s := newSender(t, mail.Config{Relays: []mail.Relay{p.relay()}})
	_, err = s.Send(t.Context(), to("größe", "m1"), stored)
	if !slices.Contains(found.Extensions, "SMTPUTF8") { // Postfix was built without it
		if resultOf(mail.JobError(err)) != "dead permanent" {
			t.Errorf("got %v, want it refused for good", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range p.mails(t) {
		got := openMail(t, raw)
		if got.header.Get("Delivered-To") != "größe@example.test" || !strings.Contains(got.header.Get("Received"), " with UTF8SMTPSA ") {
			t.Errorf("got a mail to %q, received %q", got.header.Get("Delivered-To"), got.header.Get("Received"))
		}
		if to, err := got.header.AddressList("To"); err != nil || to[0].Address != "größe@example.test" {
			t.Errorf("got it shown to %v, %v", to, err)
		}
	}
}
