package mail_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/workers/mail"
)

// watched is a sender that serves, whose condition a test follows.
type watched struct {
	*testing.T
	*mail.Sender

	queue mail.Queue
}

func watch(t *testing.T, relays ...mail.Relay) *watched {
	t.Helper()
	w := &watched{T: t, Sender: newSender(t, mail.Config{Relays: relays, CheckInterval: 100 * time.Millisecond, Idle: time.Hour})}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("got %v, want a clean end", err)
		}
	})
	return w
}

// await waits for a reason, empty for none, and returns the detail.
func (w *watched) await(reason job.ProcessConditionReason) string {
	w.Helper()
	var detail string
	pipelinetest.Eventually(w.T, "the reason "+string(reason), func() bool {
		found, failed := mail.Assess(w.Relays(), w.queue, time.Now())
		detail = found.Detail
		if failed && !found.Advisory {
			w.Errorf("got %+v, want an advisory problem", found)
		}
		return found.Reason == reason && failed == (reason != "")
	})
	return detail
}

func wantWords(t *testing.T, detail string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(detail, word) {
			t.Errorf("got %q, want %q in it", detail, word)
		}
	}
}

// No mail is sent in these tests: the sender notices on its own what is wrong, and
// when it has ended.
func TestRelayThatIsAwayIsNoticedWithoutMail(t *testing.T) {
	t.Parallel()
	first, second := newFaultyRelay(t, nil), newFaultyRelay(t, nil)
	w := watch(t, first.plain(), second.plain())
	w.await("")
	first.close()
	wantWords(t, w.await(job.FaultRelayAway), "relay "+first.address+" cannot be reached since ", "(connection refused)", second.address+" is used")
	second.close()
	wantWords(t, w.await(job.FaultRelaysDown), first.address, second.address)
	second.listen(t)
	w.await(job.FaultRelayAway)
	first.listen(t)
	w.await("")
}

// An idle session, which takes the only place, hides nothing.
func TestRelayThatIsAwayIsNoticedBehindAnIdleSession(t *testing.T) {
	t.Parallel()
	r := newFaultyRelay(t, nil)
	single := r.plain()
	single.Sessions = 1
	w := watch(t, single)
	mustSend(t, w.Sender, "m1")
	r.close()
	w.await(job.FaultRelaysDown)
	r.listen(t)
	w.await("")
	mustSend(t, w.Sender, "m2")
}

func TestWrongTLSIsNoticedAndEnds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	certificates, roots := certifyUntil(t, now.Add(-time.Hour), now.AddDate(0, 0, 3), now.AddDate(0, 0, 60))
	expired, soon, good := certificates[0], certificates[1], certificates[2]
	unknown, _ := certify(t)
	r := newFaultyRelay(t, expired)
	secure := r.plain()
	secure.TLS, secure.RootCAs = mail.TLSStartTLS, roots
	w := watch(t, secure)
	wantWords(t, w.await(job.FaultRelayTLS), "TLS with relay "+r.address+" fails", "certificate expired at ")
	r.show(good)
	w.await("")
	r.show(unknown)
	wantWords(t, w.await(job.FaultRelayTLS), "certificate signed by unknown authority")
	r.show(soon)
	wantWords(t, w.await(job.FaultCertificateExpires), "the certificate of relay "+r.address+" expires at ", ", in 2 days")
	r.show(good)
	w.await("")
}

func TestWrongPasswordIsNoticedAndEndsWithTheFile(t *testing.T) {
	t.Parallel()
	certificates, roots := certifyUntil(t, time.Now().AddDate(0, 0, 60))
	r := newFaultyRelay(t, certificates[0])
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong")
	secure := r.plain()
	secure.TLS, secure.RootCAs, secure.Username, secure.PasswordFile = mail.TLSStartTLS, roots, "me", file
	w := watch(t, secure)
	wantWords(t, w.await(job.FaultRelayLogin), "login to relay "+r.address+" fails", "535")
	write("s3cret")
	w.await("")
}

// A relay that opens sessions and refuses each transaction stays away until it
// accepts one.
func TestRelayThatRefusesTransactionsIsTriedWithOne(t *testing.T) {
	t.Parallel()
	certificates, roots := certifyUntil(t, time.Now().AddDate(0, 0, 60))
	r := newFaultyRelay(t, certificates[0])
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) { // makes the sender try at once
		t.Helper()
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set := func(answer *smtp.SMTPError) int {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.refuses = answer
		return r.began
	}
	write("s3cret")
	secure := r.plain()
	secure.TLS, secure.RootCAs, secure.Username, secure.PasswordFile = mail.TLSStartTLS, roots, "me", file
	w := watch(t, secure)
	refused := &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "authenticate elsewhere"}
	set(refused)
	if _, err := w.Send(t.Context(), order("m1"), stored); err == nil {
		t.Error("got no error, want the mail refused")
	}
	before := set(refused)
	write("s3cret\n")
	pipelinetest.Eventually(t, "another transaction", func() bool { return set(refused) > before })
	wantWords(t, w.await(job.FaultRelayLogin), "530 5.7.0 authenticate elsewhere")
	pipelinetest.Eventually(t, "the end of the trial", func() bool { s := w.Relays()[0]; return s.Asked.IsZero() && !s.Usable })
	set(nil)
	write("s3cret")
	w.await("")
}

func TestRelayThatDefersEveryMailIsNoticed(t *testing.T) {
	t.Parallel()
	r := newFaultyRelay(t, nil)
	w := &watched{Sender: newSender(t, mail.Config{Relays: []mail.Relay{r.plain()}}), queue: mail.Queue{Unsettled: 3}}
	r.answerRecipients(&smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "no room"})
	for _, id := range []string{"m1", "m2", "m2", "m3"} {
		if _, err := w.Send(t.Context(), order(id), stored); err == nil {
			t.Error("got no error, want the mail deferred")
		}
	}
	states := w.Relays()
	if d := states[0].Deferral; d.Mails != 3 || d.Cause != "451 4.3.0 no room" || d.Stage != mail.StageRcpt {
		t.Errorf("got %+v, want three deferred mails and the answer", d)
	}
	found, failed := mail.Assess(states, w.queue, time.Now().Add(30*time.Second))
	if !failed || found.Reason != job.FaultRelayDefers {
		t.Errorf("got %+v, want the relay that defers every mail", found)
	}
	wantWords(t, found.Detail, "relay "+r.address+" has accepted no mail since ", "RCPT: 451 4.3.0 no room")
	if found, failed := mail.Assess(states, mail.Queue{}, time.Now().Add(30*time.Second)); failed {
		t.Errorf("got %+v, want nothing while no mail waits", found)
	}
	r.answerRecipients(nil)
	mustSend(t, w.Sender, "m1")
	if found, failed := mail.Assess(w.Relays(), w.queue, time.Now().Add(30*time.Second)); failed {
		t.Errorf("got %+v, want nothing after a mail was accepted", found)
	}
}

// A relay that takes connections and never greets is noticed within 30 s, whatever
// its time for an answer is.
func TestRelayThatDoesNotAnswerIsNoticed(t *testing.T) {
	t.Parallel()
	hung := serveScripts(t, nil, script{"greeting": silence})
	w := watch(t, hung.plain())
	pipelinetest.Eventually(t, "a question without an answer", func() bool { return !w.Relays()[0].Asked.IsZero() })
	found, failed := mail.Assess(w.Relays(), mail.Queue{}, time.Now().Add(13*time.Second))
	if !failed || found.Reason != job.FaultRelaysDown || !strings.Contains(found.Detail, "does not answer since ") {
		t.Errorf("got %+v, want a relay that does not answer", found)
	}
}

func TestMaildirThatCannotBeWrittenIsNoticedAndHeals(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	d, err := mail.NewMaildir(mail.MaildirConfig{Dir: dir, From: "vedette@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	assess := func() (job.ProcessConditionReason, string) {
		found, _ := mail.Assess([]mail.RelayState{d.State()}, mail.Queue{}, time.Now())
		return found.Reason, found.Detail
	}
	if reason, detail := assess(); reason != "" {
		t.Errorf("got %s %s, want nothing", reason, detail)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file in its place
		t.Fatal(err)
	}
	if _, err := d.Send(t.Context(), order("m1"), stored); err == nil {
		t.Error("got no error, want the mail refused")
	}
	reason, detail := assess()
	if reason != job.FaultMaildir {
		t.Errorf("got %s %s, want the reason maildir", reason, detail)
	}
	wantWords(t, detail, "mails cannot be stored in maildir:"+dir, "(not a directory)")
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	pipelinetest.Eventually(t, "a Maildir that works again", func() bool { reason, _ := assess(); return reason == "" })
	if _, err := d.Send(t.Context(), order("m1"), stored); err != nil {
		t.Errorf("got %v, want the mail stored", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
}
