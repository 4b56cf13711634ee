package health_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/health"
)

func TestConditionsKeepTheTimeOfTheirFirstReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now().UTC()
		c := health.NewConditions(time.Now)
		c.Met(job.ProcessMail)
		c.Met(job.ProcessStorage)
		changed := c.Changed()
		time.Sleep(time.Minute)
		c.Met(job.ProcessStorage) // changes nothing
		select {
		case <-changed:
			t.Error("got a change, want none for the same report")
		default:
		}
		c.Failed(job.ProcessStorage, health.Problem{Detail: "disk full"})
		<-changed
		time.Sleep(time.Minute)
		c.Failed(job.ProcessStorage, health.Problem{Detail: "still full", Reason: "full"})
		want := []job.ProcessCondition{
			{Name: job.ProcessMail, OK: true, Since: began},
			{Name: job.ProcessStorage, Since: began.Add(time.Minute), Reason: "full", Detail: "still full"},
		}
		if got := c.List(); !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if health.Ready(c.List()) || len(health.Failing(c.List())) != 1 {
			t.Errorf("got ready, want one failing condition")
		}
		c.Failed(job.ProcessStorage, health.Problem{Detail: "still full", Advisory: true})
		if !health.Ready(c.List()) {
			t.Error("got not ready, want an advisory condition to leave it ready")
		}
	})
}

// world is what a reporter sees and sends.
type world struct {
	conditions *health.Conditions
	sent       []job.NoticeKind
	broken     atomic.Bool
}

func (w *world) notify(_ context.Context, n job.Notice) error {
	if w.broken.Load() {
		return errors.New("nothing can be stored")
	}
	w.sent = append(w.sent, n.Kind)
	return nil
}

// report runs a reporter in a synctest bubble while steps runs.
func report(t *testing.T, steps func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{conditions: health.NewConditions(time.Now)}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		reporter := health.NewReporter(health.ReporterConfig{
			Conditions: w.conditions, Process: "p", Notify: w.notify, Logger: slog.New(slog.DiscardHandler),
		})
		go func() { ended <- reporter.Serve(ctx) }()
		steps(w)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("got %v, want no error", err)
		}
	})
}

// after lets time pass, and returns what was sent until then.
func (w *world) after(d time.Duration) []job.NoticeKind {
	time.Sleep(d)
	synctest.Wait()
	return w.sent
}

func TestOperatorsHearOnceThatAFaultBeganAndOnceThatItEnded(t *testing.T) {
	t.Parallel()
	report(t, func(w *world) {
		w.conditions.Met(job.ProcessStorage)
		w.conditions.Failed(job.ProcessStorage, health.Problem{Detail: "short"})
		w.after(2 * time.Second)
		w.conditions.Met(job.ProcessStorage)
		if got := w.after(time.Minute); len(got) != 0 {
			t.Errorf("got %v, want nothing about a failure of two seconds", got)
		}
		w.conditions.Failed(job.ProcessStorage, health.Problem{Detail: "disk full"})
		if got := w.after(time.Minute); !slices.Equal(got, []job.NoticeKind{job.NoticeFault}) {
			t.Errorf("got %v, want one notice about the fault", got)
		}
		w.conditions.Met(job.ProcessStorage)
		if got := w.after(time.Minute); !slices.Equal(got, []job.NoticeKind{job.NoticeFault, job.NoticeFaultEnded}) {
			t.Errorf("got %v, want one more notice about its end", got)
		}
	})
}

func TestFailureThatBecomesWorseIsReportedAgain(t *testing.T) {
	t.Parallel()
	report(t, func(w *world) {
		fail := func(reason job.ProcessConditionReason) {
			w.conditions.Failed(job.ProcessMail, health.Problem{Reason: reason, Detail: "d", Advisory: true})
			w.after(time.Minute)
		}
		fail(job.FaultRelayAway)
		w.conditions.Failed(job.ProcessMail, health.Problem{Reason: job.FaultRelaysDown, Detail: "short", Advisory: true})
		w.after(2 * time.Second)
		fail(job.FaultRelayAway)
		fail(job.FaultRelaysDown)
		fail(job.FaultRelayAway)
		fail(job.FaultRelaysDown)
		w.conditions.Met(job.ProcessMail)
		if got, want := w.after(time.Minute), []job.NoticeKind{job.NoticeFault, job.NoticeFault, job.NoticeFaultEnded}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestWhatCannotBeStoredIsReportedLaterInOrder(t *testing.T) {
	t.Parallel()
	report(t, func(w *world) {
		w.broken.Store(true)
		w.conditions.Failed(job.ProcessStorage, health.Problem{Detail: "disk full"})
		w.after(time.Minute)
		w.conditions.Met(job.ProcessStorage)
		if got := w.after(time.Minute); len(got) != 0 {
			t.Errorf("got %v, want nothing while nothing can be stored", got)
		}
		w.broken.Store(false)
		if got := w.after(2 * time.Second); !slices.Equal(got, []job.NoticeKind{job.NoticeFault, job.NoticeFaultEnded}) {
			t.Errorf("got %v, want both notices in order", got)
		}
	})
}
