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
	"vedette/workers/mail"
)

// patience is how long a test waits; only a failing test waits that long.
const patience = 30 * time.Second

// notices waits for n stored notices.
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

func TestNoticeSenderReportsPanicsParkedAndStuckChildren(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "host-1"})
	sender := workers.NewNoticeSender(p, slog.New(slog.DiscardHandler))
	boom := errors.New("boom")
	at := time.Now()
	for _, e := range []supervise.Event{
		{Kind: supervise.EventStarted, Child: "reload"},
		{Kind: supervise.EventFailed, Child: "reload", Class: supervise.ClassError, Err: boom}, // errors are only logged
		{Kind: supervise.EventWaiting, Child: "reload"},
		{Kind: supervise.EventFailed, Child: "mail", Class: supervise.ClassPanic, Err: boom, Stack: "goroutine 7"},
		{Kind: supervise.EventFailed, Child: "page", Class: supervise.ClassGoexit, Err: boom, Stack: "goroutine 8"},
		{Kind: supervise.EventParked, Child: "mail", Wait: time.Minute, Err: boom},
		{Kind: supervise.EventGivenUp, Child: "mail", Err: boom},
		{Kind: supervise.EventStuck, Child: "check", Err: boom, Stack: "goroutine 9"},
		{Kind: supervise.EventReturned, Child: "reload"},
		{Kind: supervise.EventStopped, Child: "reload"},
	} {
		e.At, e.Supervisor = at, "workers"
		sender.Hook(e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // waiting notices are sent before the end
	if err := sender.Serve(ctx); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	want := []struct {
		kind    job.NoticeKind
		summary string
		detail  string
	}{
		{job.NoticePanic, "child mail of supervisor workers, at host-1: boom", "goroutine 7"},
		{job.NoticePanic, "child page of supervisor workers, at host-1: boom", "goroutine 8"},
		{job.NoticeParked, "child mail of supervisor workers failed repeatedly and is paused for 1m0s: boom", ""},
		{job.NoticeParked, "child mail of supervisor workers failed repeatedly and is not restarted: boom", ""},
		{job.NoticeStuckChild, "child check of supervisor workers did not stop in time: boom", "goroutine 9"},
	}
	ids := map[string]bool{}
	for i, n := range notices(t, p, len(want)) {
		if n.Kind != want[i].kind || n.Summary != want[i].summary || n.Detail != want[i].detail || n.Source != "host-1" {
			t.Errorf("got %+v, want %+v", n, want[i])
		}
		ids[n.ID] = true
	}
	if len(ids) != len(want) {
		t.Errorf("got ids %v, want different ids", ids)
	}
}

func TestHookNeverBlocksAndLogsDroppedNotices(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	var log strings.Builder
	sender := workers.NewNoticeSender(p, slog.New(slog.NewTextHandler(&log, nil)))
	for range 300 {
		sender.Hook(supervise.Event{Kind: supervise.EventParked, Child: "mail", Supervisor: "workers"})
	}
	if got := strings.Count(log.String(), "notice was dropped"); got != 300-256 {
		t.Errorf("got %d dropped notices, want %d", got, 300-256)
	}
}

// flaky panics at the first attempt to make a mailer.
type flaky struct{ tries atomic.Int64 }

func (f *flaky) make(workers.Deliveries) (workers.Mailer, error) {
	if f.tries.Add(1) == 1 {
		panic("no mailer")
	}
	return idleMailer{}, nil
}

type idleMailer struct{}

func (idleMailer) Handle(context.Context, job.Mail, mail.Attempt) error { return nil }
func (idleMailer) Relays() []mail.RelayState                            { return nil }
func (idleMailer) Available() bool                                      { return true }
func (idleMailer) StoreCopy(context.Context, job.Mail, time.Time) error { return nil }
func (idleMailer) Close()                                               {}

func (idleMailer) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

type upProber struct{}

func (upProber) Check(context.Context, job.Spec) job.ProbeResult {
	return job.ProbeResult{Health: job.Up}
}

func TestStageThatPanicsIsRestartedReportedAndTouchesNoOther(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	sender := workers.NewNoticeSender(p, slog.New(slog.DiscardHandler))
	var mailer flaky
	w, err := workers.New(workers.Config{Pipeline: p, Prober: upProber{}, NewMailer: mailer.make, Events: sender.Hook, Grace: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- sender.Serve(ctx) }()
	go func() { done <- w.Serve(ctx) }()
	notice := notices(t, p, 1)[0]
	if notice.Kind != job.NoticePanic || !strings.Contains(notice.Summary, "child mailer of supervisor mail") || !strings.Contains(notice.Detail, "(*flaky).make") {
		t.Errorf("got %+v, want the panic in the stage mail", notice)
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !workers.AllRunning(w.Children()) {
		select {
		case <-deadline.C:
			t.Fatalf("got %+v, want all children running", w.Children())
		case <-ticker.C:
		}
	}
	for _, stage := range w.Status(w.Children()) {
		failed := stage.Name == workers.StageMail
		if failed != (stage.Incarnation == 2) {
			t.Errorf("got %+v, want only the stage mail restarted", stage)
		}
	}
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("got %v, want nil", err)
		}
	}
}
