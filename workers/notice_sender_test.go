package workers_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers"
)

// patience is how long a test waits for what should come; it is only ever
// spent by a test that fails.
const patience = 30 * time.Second

// notices reads the notices that are stored, until there are as many.
func notices(t *testing.T, p *pipeline.Pipeline, n int) []job.Notice {
	t.Helper()
	var found []job.Notice
	ctx, enough := context.WithTimeout(t.Context(), patience)
	defer enough()
	err := inspect.Tail(ctx, p, topology.Notice, time.Hour, func(d pipeline.Delivery) {
		notice, err := job.Decode[job.Notice](d.Body)
		if err != nil {
			t.Error(err)
		}
		found = append(found, notice)
		if len(found) == n {
			enough()
		}
	})
	if err != nil || len(found) != n {
		t.Fatalf("got notices %+v, %v, want %d", found, err, n)
	}
	return found
}

func TestAlertsTellWhatOperatorsShouldKnow(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "host-1"})
	alerts := workers.NewNoticeSender(p, slog.New(slog.DiscardHandler))
	boom := errors.New("boom")
	at := time.Now()
	for _, e := range []supervise.Event{
		{Kind: supervise.EventStarted, Child: "quiet"},
		{Kind: supervise.EventFailed, Child: "quiet", Class: supervise.ClassError, Err: boom}, // an error alone is for the log
		{Kind: supervise.EventWaiting, Child: "quiet"},
		{Kind: supervise.EventFailed, Child: "mail", Class: supervise.ClassPanic, Err: boom, Stack: "goroutine 7"},
		{Kind: supervise.EventFailed, Child: "page", Class: supervise.ClassGoexit, Err: boom, Stack: "goroutine 8"},
		{Kind: supervise.EventParked, Child: "mail", Wait: time.Minute, Err: boom},
		{Kind: supervise.EventGivenUp, Child: "mail", Err: boom},
		{Kind: supervise.EventStuck, Child: "check", Err: boom, Stack: "goroutine 9"},
		{Kind: supervise.EventReturned, Child: "quiet"},
		{Kind: supervise.EventStopped, Child: "quiet"},
	} {
		e.At, e.Supervisor = at, "workers"
		alerts.Hook(e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what waits at the end is told all the same
	if err := alerts.Serve(ctx); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	want := []struct {
		kind    job.NoticeKind
		summary string
		detail  string
	}{
		{job.NoticePanic, "part mail of workers, at host-1: boom", "goroutine 7"},
		{job.NoticePanic, "part page of workers, at host-1: boom", "goroutine 8"},
		{job.NoticeParked, "part mail of workers failed so often that it is left alone for 1m0s: boom", ""},
		{job.NoticeParked, "part mail of workers failed so often that it is not started again: boom", ""},
		{job.NoticeStuckChild, "part check of workers did not stop when it was told to: boom", "goroutine 9"},
	}
	ids := map[string]bool{}
	for i, n := range notices(t, p, len(want)) {
		if n.Kind != want[i].kind || n.Summary != want[i].summary || n.Detail != want[i].detail || n.Source != "host-1" {
			t.Errorf("got %+v, want %+v", n, want[i])
		}
		ids[n.ID] = true
	}
	if len(ids) != len(want) {
		t.Errorf("got ids %v, want one for each", ids)
	}
}

func TestAlertsThatNobodySendsHoldUpNothing(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	var log strings.Builder
	alerts := workers.NewNoticeSender(p, slog.New(slog.NewTextHandler(&log, nil)))
	for range 300 {
		alerts.Hook(supervise.Event{Kind: supervise.EventParked, Child: "mail", Supervisor: "workers"})
	}
	if got := strings.Count(log.String(), "too many alerts wait"); got != 300-256 {
		t.Errorf("got %d alerts in the log alone, want %d", got, 300-256)
	}
}

// flaky is a mailer that cannot be made at first.
type flaky struct{ tries atomic.Int64 }

func (f *flaky) make(workers.Deliveries) (workers.Mailer, error) {
	if f.tries.Add(1) == 1 {
		panic("no mailer today")
	}
	return nobody{}, nil
}

type nobody struct{}

func (nobody) Handle(context.Context, job.Mail, time.Time) error    { return nil }
func (nobody) Available() bool                                      { return true }
func (nobody) StoreCopy(context.Context, job.Mail, time.Time) error { return nil }
func (nobody) Close()                                               {}

func (nobody) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

type upProber struct{}

func (upProber) Check(context.Context, job.Spec) job.ProbeResult {
	return job.ProbeResult{Health: job.Up}
}

func TestBranchThatPanicsIsRestartedToldAndTouchesNoOther(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	alerts := workers.NewNoticeSender(p, slog.New(slog.DiscardHandler))
	var mailer flaky
	w, err := workers.New(workers.Config{Pipeline: p, Prober: upProber{}, NewMailer: mailer.make, Events: alerts.Hook, Grace: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- alerts.Serve(ctx) }()
	go func() { done <- w.Serve(ctx) }()
	notice := notices(t, p, 1)[0]
	if notice.Kind != job.NoticePanic || !strings.Contains(notice.Summary, "part post of mail") || !strings.Contains(notice.Detail, "(*flaky).make") {
		t.Errorf("got %+v, want the panic of the mail branch", notice)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !w.Ready() {
		select {
		case <-deadline.C:
			t.Fatalf("got %+v, want everything running", w.Children())
		case <-look.C:
		}
	}
	for _, branch := range w.Status(w.Children()) {
		failed := branch.Name == workers.StageMail
		if failed != (branch.Incarnation == 2) {
			t.Errorf("got %+v, want the mail branch restarted, and no other", branch)
		}
	}
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("got %v, want a clean end", err)
		}
	}
}
