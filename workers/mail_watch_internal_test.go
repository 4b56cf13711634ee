package workers

import (
	"context"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
	"vedette/workers/health"
	"vedette/workers/mail"
)

func TestQueueHistory(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const step = 5 * time.Second
	for name, c := range map[string]struct {
		counts          []uint64
		last            queueWait
		oldest, growing time.Duration
	}{
		"empty":                   {[]uint64{0, 0, 0}, queueWait{}, 0, 0},
		"just filled":             {[]uint64{0, 3}, queueWait{}, 0, 0},
		"none is taken":           {[]uint64{0, 3, 3, 3}, queueWait{}, 2 * step, 0},
		"it grows":                {[]uint64{0, 3, 5, 5, 9}, queueWait{}, 3 * step, 3 * step},
		"it shrinks in between":   {[]uint64{0, 3, 5, 4, 9}, queueWait{}, 3 * step, step},
		"it was empty in between": {[]uint64{3, 5, 0, 9}, queueWait{}, 0, 0},
		"mails are taken late":    {[]uint64{3, 3, 3}, queueWait{at: start.Add(2 * step), waited: time.Minute}, time.Minute, 0},
		"taken until a step ago":  {[]uint64{3, 3, 3}, queueWait{at: start.Add(step)}, step, 0},
	} {
		var h queueHistory
		now := start
		for i, n := range c.counts {
			now = start.Add(time.Duration(i) * step)
			h.count(n, now)
		}
		if oldest, growing := h.oldest(c.last, now), h.growing(now); oldest != c.oldest || growing != c.growing {
			t.Errorf("%s: got oldest %s and growing for %s, want %s and %s", name, oldest, growing, c.oldest, c.growing)
		}
	}
}

// A mail that becomes a dead letter has that in its status, with a subject by which
// its dead letter is found.
func TestDeadMailIsRecordedInItsStatus(t *testing.T) {
	t.Parallel()
	store, at := newDeliveryStore(t), time.Now().UTC()
	dead := job.Delivery{V: 1, ID: "m1", State: job.DeliveryDeferred, At: at, Reply: "550 no such user", DeadSubject: "dead.MAIL.mail-alert.7"}
	tried := job.Delivery{V: 1, ID: "m2", State: job.DeliverySending, At: at, Reply: "connection lost", Relay: "mx1:25", To: "a@example.org", NextTry: at}
	sent := job.Delivery{V: 1, ID: "m3", State: job.DeliverySent, At: at}
	for _, before := range []job.Delivery{tried, sent} {
		if err := store.Record(t.Context(), before); err != nil {
			t.Fatal(err)
		}
	}
	kept := tried
	kept.NextTry, kept.DeadSubject = time.Time{}, dead.DeadSubject
	for id, want := range map[string]job.Delivery{"m1": dead, "m2": kept, "m3": sent} {
		dead.ID = id
		if err := store.RecordDead(t.Context(), dead); err != nil {
			t.Fatal(err)
		}
		if got, _, err := store.Delivery(t.Context(), id); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if got, err := store.Begin(t.Context(), attempt("m1", at)); err != nil || got.DeadSubject != "" {
		t.Errorf("got %+v, %v, want that a replayed mail is no longer dead", got, err)
	}
}

// blockedMailer takes mails and sends none.
type blockedMailer struct{}

func (blockedMailer) Handle(ctx context.Context, _ job.Mail, _ mail.Attempt) error {
	<-ctx.Done()
	return job.Interrupted(context.Cause(ctx), time.Second)
}

func (blockedMailer) Available() bool { return true }

func (blockedMailer) StoreCopy(context.Context, job.Mail, time.Time) error { return nil }

func (blockedMailer) Relays() []mail.RelayState {
	return []mail.RelayState{{Relay: "mx1:587", Usable: true}}
}

func (blockedMailer) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (blockedMailer) Close() {}

// A queue that is not worked off is counted on the server, and becomes a fault.
func TestMailsThatWaitForLongAreAFault(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	s := &mailStage{shared: &shared{p: p, log: p.Logger()}}
	histories := map[string]*queueHistory{}
	count := func(now time.Time) mail.Queue {
		return s.countMails(t.Context(), &mailJobs{mailStage: s}, histories, now)
	}
	if queue := count(time.Now()); queue != (mail.Queue{}) {
		t.Errorf("got %+v before there is a consumer, want nothing", queue)
	}
	conditions := health.NewConditions(time.Now)
	w, err := New(Config{
		Pipeline: p, Stages: []string{StageMail}, Limits: Limits{Mails: 1}, Grace: time.Second, Conditions: conditions,
		NewMailer: func(Deliveries) (Mailer, error) { return blockedMailer{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx) }()
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		body, err := job.Encode(job.Mail{V: job.Version, ID: id, To: "a@example.org", Subject: "s", Text: "t"})
		if err == nil {
			err = p.Publish(t.Context(), pipeline.Message{Subject: topology.MailSubject(job.MailAdhoc, id), Body: body})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	pipelinetest.Eventually(t, "mails that wait behind one", func() bool { q := count(now); return q.Waiting > 0 && q.Unsettled > 0 })
	if c, known := conditions.Find(job.ProcessMail); known && !c.OK {
		t.Errorf("got %+v, want no fault after a moment", c)
	}
	queue := count(now.Add(3 * time.Minute))
	found, failed := mail.Assess(blockedMailer{}.Relays(), queue, now.Add(3*time.Minute))
	if !failed || found.Reason != job.FaultMailQueue {
		t.Errorf("got %+v for %+v, want mails that wait for long", found, queue)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
}
