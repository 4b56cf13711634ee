package mail_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

// memoryDeliveries is a store in memory that can fail.
type memoryDeliveries struct {
	mu      sync.Mutex
	sent    map[string]job.Delivery
	written []job.Delivery
	// readFails and writeFails are the numbers of failures to come; writes fail
	// after the first writeFrom ones.
	readFails, writeFails, writeFrom int
	writes                           int
}

var errAway = errors.New("store is away")

func (m *memoryDeliveries) Delivery(_ context.Context, id string) (job.Delivery, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.readFails > 0 {
		m.readFails--
		return job.Delivery{}, false, errAway
	}
	sent, ok := m.sent[id]
	return sent, ok, nil
}

func (m *memoryDeliveries) Begin(ctx context.Context, begun job.Delivery) (job.Delivery, error) {
	m.mu.Lock()
	known := m.sent[begun.ID]
	m.mu.Unlock()
	if known.Final() || known.HeldFor(begun.At) > 0 {
		return known, nil
	}
	return begun, m.Record(ctx, begun)
}

func (m *memoryDeliveries) Record(ctx context.Context, sent job.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.writes > m.writeFrom && m.writeFails > 0 {
		m.writeFails--
		return errAway
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.sent == nil {
		m.sent = map[string]job.Delivery{}
	}
	m.sent[sent.ID] = sent
	m.written = append(m.written, sent)
	return nil
}

// carrier is a transport that calls a function.
type carrier func(ctx context.Context, m job.Mail) (mail.Receipt, error)

func (c carrier) Send(ctx context.Context, m job.Mail, _ time.Time) (mail.Receipt, error) {
	return c(ctx, m)
}

// counting accepts and counts all mails.
func counting(n *int) carrier {
	return func(context.Context, job.Mail) (mail.Receipt, error) {
		*n++
		return mail.Receipt{Relay: "relay:25", Reply: "250 ok"}, nil
	}
}

var now = stored.Add(time.Hour)

func newWorker(t *testing.T, via mail.Transport, l mail.Deliveries) *mail.Worker {
	t.Helper()
	w, err := mail.NewWorker(mail.WorkerConfig{Transport: via, Deliveries: l, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestDeliveredMailIsRecordedAndNotSentAgain(t *testing.T) {
	t.Parallel()
	var l memoryDeliveries
	var sent int
	w := newWorker(t, counting(&sent), &l)
	for range 2 {
		if err := w.Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored}); err != nil {
			t.Fatal(err)
		}
	}
	want := []job.Delivery{
		{V: 1, ID: "m1", At: now, State: job.DeliverySending, To: order("m1").To, Subject: order("m1").Subject},
		{V: 1, ID: "m1", State: job.DeliverySent, At: now, Relay: "relay:25", Reply: "250 ok", To: order("m1").To, Subject: order("m1").Subject},
	}
	if diff := cmp.Diff(want, l.written); diff != "" || sent != 1 {
		t.Errorf("got sent %d times, want once; deliveries (-want +got):\n%s", sent, diff)
	}
	if diff := cmp.Diff(map[mail.Class]uint64{mail.ClassDelivered: 1}, w.Attempts()); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

// The status of a deferred mail says when it is tried again.
func TestFailedAttemptIsRepeatedAtTheRecordedTime(t *testing.T) {
	t.Parallel()
	const retry = 10 * time.Minute
	for name, c := range map[string]struct {
		failed mail.Error
		want   time.Duration
	}{
		"temporary":                      {mail.Error{Verdict: mail.Verdict{Class: mail.ClassTemporary}}, retry},
		"the relay defers all mails":     {mail.Error{Verdict: mail.Verdict{Class: mail.ClassTemporary}, RetryWithin: time.Minute}, time.Minute},
		"the relay is away":              {mail.Error{Verdict: mail.Verdict{Class: mail.ClassRelay}, RetryAfter: 4 * time.Second}, 4 * time.Second},
		"the outcome is unknown":         {mail.Error{Verdict: mail.Verdict{Class: mail.ClassUnknown}}, retry},
		"the login, at the next attempt": {mail.Error{Verdict: mail.Verdict{Class: mail.ClassConfig}, RetryAfter: 5 * time.Second}, 5 * time.Second},
	} {
		var l memoryDeliveries
		c.failed.Relay = "relay:25"
		refuse := carrier(func(context.Context, job.Mail) (mail.Receipt, error) { return mail.Receipt{}, &c.failed })
		err := newWorker(t, refuse, &l).Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored, Retry: retry})
		again, ok := errors.AsType[*job.RetryError](err)
		if !ok || again.After != c.want || !l.sent["m1"].NextTry.Equal(now.Add(c.want)) {
			t.Errorf("%s: got %v and %+v, want another attempt in %s", name, err, l.sent["m1"], c.want)
		}
	}
}

func TestDeferredMailIsSentAgain(t *testing.T) {
	t.Parallel()
	l := memoryDeliveries{sent: map[string]job.Delivery{"m1": {V: 1, ID: "m1", State: job.DeliveryDeferred, At: stored}}}
	var sent int
	if err := newWorker(t, counting(&sent), &l).Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored}); err != nil || sent != 1 {
		t.Errorf("got %v, sent %d times, want once", err, sent)
	}
}

// While a cluster elects a leader, a job may be delivered to another worker before
// the first one could record that the mail was sent.
func TestAttemptLeaseIsRespected(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		known job.Delivery
		sent  int
	}{
		"began a moment ago":         {job.Delivery{State: job.DeliverySending, At: now.Add(-5 * time.Second)}, 0},
		"by a slightly fast clock":   {job.Delivery{State: job.DeliverySending, At: now.Add(5 * time.Second)}, 0},
		"by a wrong clock":           {job.Delivery{State: job.DeliverySending, At: now.Add(time.Hour)}, 1},
		"began long ago":             {job.Delivery{State: job.DeliverySending, At: now.Add(-job.AttemptLease)}, 1},
		"ended with unknown outcome": {job.Delivery{State: job.DeliverySending, At: now.Add(-time.Second), Reply: "lost"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, sent := memoryDeliveries{sent: map[string]job.Delivery{"m1": c.known}}, 0
			err := newWorker(t, counting(&sent), &l).Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored})
			retry, waits := errors.AsType[*job.RetryError](err)
			if sent != c.sent || waits != (c.sent == 0) {
				t.Fatalf("got sent %d times and %v, want %d", sent, err, c.sent)
			}
			if waits && (!retry.Uncounted || retry.After <= 0 || retry.After > 2*job.AttemptLease) {
				t.Errorf("got %+v, want a wait that costs no attempt", retry)
			}
		})
	}
}

func TestExpiredMailIsNotSent(t *testing.T) {
	t.Parallel()
	done := map[string]job.Delivery{"m1": {V: 1, ID: "m1", State: job.DeliverySent, At: stored}}
	cases := []struct {
		name     string
		notAfter time.Time
		known    map[string]job.Delivery
		result   string
		sent     int
	}{
		{"wanted for ever", time.Time{}, nil, "done", 1},
		{"wanted still", now.Add(time.Second), nil, "done", 1},
		{"wanted until now", now, nil, "done", 1},
		{"no longer wanted", now.Add(-time.Second), nil, "dead expired", 0},
		{"sent in time and seen again", now.Add(-time.Second), done, "done", 0},
	}
	for _, c := range cases {
		var sent int
		m := order("m1")
		m.NotAfter = c.notAfter
		err := newWorker(t, counting(&sent), &memoryDeliveries{sent: c.known}).Handle(t.Context(), m, mail.Attempt{Stored: stored})
		if resultOf(err) != c.result || sent != c.sent {
			t.Errorf("%s: got %v, sent %d, want %q and %d", c.name, err, sent, c.result, c.sent)
		}
	}
}

func TestUnreachableStoreSendsNothing(t *testing.T) {
	t.Parallel()
	var sent int
	w := newWorker(t, counting(&sent), &memoryDeliveries{writeFails: 1})
	if err := w.Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored}); resultOf(err) != "free true" || !errors.Is(err, errAway) || sent != 0 {
		t.Errorf("got %v, sent %d, want the job returned, unsent", err, sent)
	}
	if err := w.Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored}); err != nil || sent != 1 {
		t.Errorf("store back: got %v, sent %d, want once", err, sent)
	}
	late := order("m2")
	late.NotAfter = now.Add(-time.Second)
	w = newWorker(t, counting(&sent), &memoryDeliveries{readFails: 1})
	if err := w.Handle(t.Context(), late, mail.Attempt{Stored: stored}); resultOf(err) != "free true" || !errors.Is(err, errAway) {
		t.Errorf("expired: got %v, want the job returned, since the mail may have been sent", err)
	}
}

func TestDeliveredMailIsDoneWithoutRecord(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name        string
		fails       int
		recorded    bool
		least, most time.Duration
	}{
		{"store away for a moment", 3, true, time.Second, 2 * time.Second},
		{"store away for good", 1 << 30, false, 5 * time.Second, 10 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := memoryDeliveries{writeFrom: 1, writeFails: c.fails}
				var sent int
				began := time.Now()
				if err := newWorker(t, counting(&sent), &l).Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored}); err != nil || sent != 1 {
					t.Errorf("got %v, sent %d, want done once", err, sent)
				}
				if took := time.Since(began); took < c.least || took > c.most {
					t.Errorf("took %s, want %s to %s", took, c.least, c.most)
				}
				if (l.sent["m1"].State == job.DeliverySent) != c.recorded {
					t.Errorf("got state %q, want recorded %t", l.sent["m1"].State, c.recorded)
				}
			})
		})
	}
}

func TestMailAcceptedAtContextEndIsRecorded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fails    int
		recorded bool
	}{{0, true}, {1, true}, {1 << 30, false}} {
		synctest.Test(t, func(t *testing.T) {
			l := memoryDeliveries{writeFrom: 1, writeFails: c.fails}
			ctx, cancel := context.WithCancel(t.Context())
			w := newWorker(t, carrier(func(context.Context, job.Mail) (mail.Receipt, error) {
				cancel()
				return mail.Receipt{}, nil
			}), &l)
			began := time.Now()
			if err := w.Handle(ctx, order("m1"), mail.Attempt{Stored: stored}); err != nil || (l.sent["m1"].State == job.DeliverySent) != c.recorded {
				t.Errorf("%d failures: got %v, state %q, want done and recorded %t", c.fails, err, l.sent["m1"].State, c.recorded)
			}
			if took := time.Since(began); took > 600*time.Millisecond {
				t.Errorf("%d failures: took %s after the end, want at most 0.5 s", c.fails, took)
			}
		})
	}
}

func TestAttemptsAreCountedByClass(t *testing.T) {
	t.Parallel()
	classes := []mail.Class{mail.ClassTemporary, mail.ClassRelay, mail.ClassConfig, mail.ClassPermanent, mail.ClassUnknown, mail.ClassUnknown}
	results := []string{"attempt", "free true", "free true", "dead permanent", "attempt", "attempt"}
	var next int
	l := &memoryDeliveries{}
	w := newWorker(t, carrier(func(context.Context, job.Mail) (mail.Receipt, error) {
		next++
		return mail.Receipt{}, &mail.Error{Verdict: mail.Verdict{Class: classes[next-1], Stage: mail.StageDot, Err: io.EOF}}
	}), l)
	var got []string
	for range classes {
		got = append(got, resultOf(w.Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored})))
	}
	if !slices.Equal(got, results) {
		t.Errorf("got %q, want %q", got, results)
	}
	want := map[mail.Class]uint64{mail.ClassTemporary: 1, mail.ClassRelay: 1, mail.ClassConfig: 1, mail.ClassPermanent: 1, mail.ClassUnknown: 2}
	if diff := cmp.Diff(want, w.Attempts()); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if l.sent["m1"].State == job.DeliverySent {
		t.Error("got a failed mail recorded as sent")
	}
}

func TestMailWithUnknownOutcomeIsSentAgainUnchanged(t *testing.T) {
	t.Parallel()
	relay := serveScripts(t, nil, script{".": hangUp}, script{})
	key := newRSA(t)
	w := newWorker(t, newSender(t, mail.Config{Relays: []mail.Relay{relay.plain()}, DKIM: key}), &memoryDeliveries{})
	if err := w.Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored}); resultOf(err) != "attempt" {
		t.Fatalf("got %v, want an attempt", err)
	}
	if err := w.Handle(t.Context(), order("m1"), mail.Attempt{Stored: stored}); err != nil {
		t.Fatal(err)
	}
	got := relay.received()
	if len(got) != 2 || got[0] != got[1] || !strings.Contains(got[0], "Message-ID: <m1@example.com>") {
		t.Errorf("got %q, want the same mail twice", got)
	}
	if found := verified(t, key, []byte(strings.ReplaceAll(got[0], "\r\n..", "\r\n."))); len(found) != 1 || found[0].Err != nil {
		t.Errorf("got signatures %+v, want one that holds", found)
	}
}

func TestWorkerNeedsTransportAndDeliveries(t *testing.T) {
	t.Parallel()
	if _, err := mail.NewWorker(mail.WorkerConfig{}); err == nil {
		t.Error("got no error, want one")
	}
}
