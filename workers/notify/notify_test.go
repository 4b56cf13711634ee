package notify_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/notify"
)

var update = flag.Bool("update", false, "write the golden mails anew")

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func incident() job.Incident {
	return job.Incident{
		ID: job.IncidentID("website", began), Monitor: "website", Target: "https://example.org/health?a=1&b=2", Began: began,
		LastGood: began.Add(-time.Minute), Failures: 3, Notify: []string{"oncall", "boss"},
		Outcome: job.Outcome{
			Health: job.Down, Class: job.ClassStatus, Cause: "status 503 Service Unavailable", Address: "192.0.2.7:443",
			Latency: job.Duration(43210 * time.Microsecond), Phases: job.Phases{DNS: job.Duration(time.Millisecond), Connect: job.Duration(12 * time.Millisecond)},
		},
	}
}

func event(kind job.EventKind, after time.Duration) job.Event {
	e := job.Event{ID: incident().ID + "-" + string(kind), Kind: kind, At: began.Add(after), Incident: incident()}
	if kind == job.EventUp {
		e.Outcome = &job.Outcome{Health: job.Up, Latency: job.Duration(20 * time.Millisecond)}
	}
	return e
}

// outbox keeps each mail once, as a stream with ids in its subjects does.
type outbox struct {
	mails map[string]job.Mail
	order []string
	taken int
	err   error
}

func (o *outbox) Enqueue(_ context.Context, m job.Mail) error {
	if o.err != nil {
		return o.err
	}
	if o.mails == nil {
		o.mails = map[string]job.Mail{}
	}
	o.taken++
	if _, known := o.mails[m.ID]; !known {
		o.order = append(o.order, m.ID)
	}
	o.mails[m.ID] = m
	return nil
}

func notifier(t *testing.T, o *outbox) *notify.Notifier {
	t.Helper()
	n, err := notify.New(notify.Config{Outbox: o, Now: func() time.Time { return began.Add(2 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	n.Recipients().Set(job.Recipient{Name: "oncall", Addresses: []string{"ops@example.org", "Boss@example.org"}})
	n.Recipients().Set(job.Recipient{Name: "boss", Addresses: []string{"boss@example.org"}})
	return n
}

func TestMailsAreWhatTheGoldenFilesSay(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]job.Event{
		"down": event(job.EventDown, 2*time.Minute), "up": event(job.EventUp, 12*time.Minute), "removed": event(job.EventRemoved, 3*time.Hour+5*time.Minute),
	} {
		var o outbox
		n, err := notify.New(notify.Config{Outbox: &o, Now: func() time.Time { return began }})
		if err != nil {
			t.Fatal(err)
		}
		n.Recipients().Set(job.Recipient{Name: "oncall", Addresses: []string{"ops@example.org"}})
		if err := n.Handle(t.Context(), job.State{Events: []job.Event{e}}); err != nil {
			t.Fatal(err)
		}
		mail := o.mails[o.order[0]]
		golden(t, name+".txt", "Subject: "+mail.Subject+"\n\n"+mail.Text)
		golden(t, name+".html", mail.HTML)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "mails", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestOneMailForEachTransitionAndAddress(t *testing.T) {
	t.Parallel()
	var o outbox
	n := notifier(t, &o)
	state := job.State{Events: []job.Event{event(job.EventDown, time.Minute), event(job.EventUp, 12*time.Minute)}}
	if err := n.Handle(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, id := range o.order {
		got = append(got, o.mails[id].To+" "+o.mails[id].Subject[:4])
	}
	want := []string{"Boss@example.org [DOW", "ops@example.org [DOW", "Boss@example.org [UP]", "ops@example.org [UP]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnotherNotifierDerivesTheSameMails(t *testing.T) {
	t.Parallel()
	var first, second outbox
	state := job.State{Events: []job.Event{event(job.EventDown, time.Minute)}}
	for _, o := range []*outbox{&first, &second} {
		if err := notifier(t, o).Handle(t.Context(), state); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(first.mails, second.mails); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

func TestWhatWasHandedOverIsNotHandedOverAgain(t *testing.T) {
	t.Parallel()
	var o outbox
	n := notifier(t, &o)
	state := job.State{Events: []job.Event{event(job.EventDown, time.Minute)}}
	for range 3 {
		if err := n.Handle(t.Context(), state); err != nil {
			t.Fatal(err)
		}
	}
	if o.taken != 2 {
		t.Errorf("got %d mails taken, want 2", o.taken)
	}
}

func TestOutboxThatRefusesIsAnErrorAndTheMailsComeAgain(t *testing.T) {
	t.Parallel()
	o := outbox{err: errors.New("full")}
	n := notifier(t, &o)
	state := job.State{Events: []job.Event{event(job.EventDown, time.Minute)}}
	if err := n.Handle(t.Context(), state); !errors.Is(err, o.err) {
		t.Fatalf("got %v, want the outbox's error", err)
	}
	o.err = nil
	if err := n.Handle(t.Context(), state); err != nil || len(o.mails) != 2 {
		t.Errorf("got %d mails, %v, want 2", len(o.mails), err)
	}
}

func TestOldTransitionsAreNotAnnounced(t *testing.T) {
	t.Parallel()
	var o outbox
	n := notifier(t, &o)
	if err := n.Handle(t.Context(), job.State{Events: []job.Event{event(job.EventDown, -23*time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	if len(o.mails) != 0 {
		t.Errorf("got %d mails of a transition 25 h ago, want none", len(o.mails))
	}
}

func TestUnknownRecipientsHinderNobodyElse(t *testing.T) {
	t.Parallel()
	var o outbox
	n := notifier(t, &o)
	n.Recipients().Remove("oncall")
	if err := n.Handle(t.Context(), job.State{Events: []job.Event{event(job.EventDown, time.Minute)}}); err != nil {
		t.Fatal(err)
	}
	if len(o.mails) != 1 || o.mails[o.order[0]].To != "boss@example.org" {
		t.Errorf("got %v, want the mail of the other recipient", o.mails)
	}
	n.Recipients().Set(job.Recipient{Name: "oncall", Addresses: []string{"ops@example.org"}})
	if err := n.Handle(t.Context(), job.State{Events: []job.Event{event(job.EventDown, time.Minute)}}); err != nil || len(o.mails) != 2 {
		t.Errorf("got %d mails, %v, want the one of the recipient that is defined now", len(o.mails), err)
	}
}

func TestWhatAHostileServerSaidDoesNoHarm(t *testing.T) {
	t.Parallel()
	var o outbox
	n := notifier(t, &o)
	e := event(job.EventDown, time.Minute)
	e.Incident.Outcome.Cause = "oops\u202e\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>" + strings.Repeat("x", 500)
	if err := n.Handle(t.Context(), job.State{Events: []job.Event{e}}); err != nil {
		t.Fatal(err)
	}
	mail := o.mails[o.order[0]]
	if strings.ContainsAny(mail.Subject, "\r\n\u202e") || len([]rune(mail.Subject)) > 120 {
		t.Errorf("got subject %q, want one short line", mail.Subject)
	}
	if strings.Contains(mail.HTML, "<script>") {
		t.Error("got a script in the HTML, want it escaped")
	}
	if strings.Contains(mail.Text, "\nBcc:") {
		t.Error("got a line of the server's own in the text, want it inside the cause")
	}
}

func TestDurationsForPeople(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0 s": 0, "45 s": 45 * time.Second, "12 min": 12*time.Minute + 40*time.Second, "3 h 5 min": 3*time.Hour + 5*time.Minute,
		"2 h": 2 * time.Hour, "2 d 4 h": 52 * time.Hour,
	} {
		if got := notify.Lasted(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestNotifierWithoutAnOutboxIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := notify.New(notify.Config{}); err == nil {
		t.Error("got nil, want an error")
	}
}
