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
		<-time.After(time.Minute)
		c.Met(job.ProcessStorage) // changes nothing
		select {
		case <-changed:
			t.Error("got a change, want none for the same report")
		default:
		}
		c.Failed(job.ProcessStorage, health.Problem{Detail: "disk full"})
		<-changed
		<-time.After(time.Minute)
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
	inherited  []job.ProcessCondition
	conditions *health.Conditions
	sent       []job.NoticeKind
	direct     []job.NoticeKind // what was sent without the storage
	broken     atomic.Bool
	reporter   *health.Reporter
}

func (w *world) notify(_ context.Context, n job.Notice) error {
	if w.broken.Load() {
		return errors.New("nothing can be stored")
	}
	w.sent = append(w.sent, n.Kind)
	return nil
}

func (w *world) sendDirect(_ context.Context, n job.Notice) error {
	w.direct = append(w.direct, n.Kind)
	return nil
}

// report runs a reporter in a synctest bubble while steps runs.
func report(t *testing.T, steps func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.run(t, w.sendDirect, func() { steps(w) })
	})
}

// run runs a reporter with new conditions while steps runs. It continues with what
// the one before left.
func (w *world) run(t *testing.T, direct func(context.Context, job.Notice) error, steps func()) {
	t.Helper()
	w.conditions = health.NewConditions(time.Now)
	w.reporter = health.NewReporter(health.ReporterConfig{
		Conditions: w.conditions, Process: "p", Notify: w.notify, Direct: direct, Previous: w.reporter, Inherited: w.inherited, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.reporter.Serve(ctx) }()
	steps()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// after lets time pass, and returns what was sent until then.
func (w *world) after(d time.Duration) []job.NoticeKind {
	<-time.After(d)
	synctest.Wait()
	return w.sent
}

func TestOperatorsHearOnceThatAFaultBeganAndOnceThatItEnded(t *testing.T) {
	t.Parallel()
	report(t, func(w *world) {
		w.conditions.Met(job.ProcessMail)
		w.conditions.Failed(job.ProcessMail, health.Problem{Detail: "short"})
		w.after(2 * time.Second)
		w.conditions.Met(job.ProcessMail)
		if got := w.after(time.Minute); len(got) != 0 {
			t.Errorf("got %v, want nothing about a failure of two seconds", got)
		}
		w.conditions.Failed(job.ProcessMail, health.Problem{Detail: "relay away"})
		if got := w.after(time.Minute); !slices.Equal(got, []job.NoticeKind{job.NoticeFault}) {
			t.Errorf("got %v, want one notice about the fault", got)
		}
		w.conditions.Met(job.ProcessMail)
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
		w.conditions.Failed(job.ProcessMail, health.Problem{Detail: "relay away"})
		w.after(time.Minute)
		w.conditions.Met(job.ProcessMail)
		if got := w.after(time.Minute); len(got) != 0 {
			t.Errorf("got %v, want nothing while nothing can be stored", got)
		}
		w.broken.Store(false)
		if got := w.after(2 * time.Second); !slices.Equal(got, []job.NoticeKind{job.NoticeFault, job.NoticeFaultEnded}) {
			t.Errorf("got %v, want both notices in order", got)
		}
	})
}

// A fault of the storage is reported at once and without the storage. While it
// lasts other faults are reported in the same way; each on one way only.
func TestFaultOfTheStorageIsReportedWithoutTheStorage(t *testing.T) {
	t.Parallel()
	report(t, func(w *world) {
		w.broken.Store(true)
		w.conditions.Failed(job.ProcessStorage, health.Problem{Detail: "disk full"})
		w.after(100 * time.Millisecond)
		w.conditions.Failed(job.ProcessSchedule, health.Problem{Detail: "no ticks"})
		w.after(10 * time.Second)
		if want := []job.NoticeKind{job.NoticeFault, job.NoticeFault}; !slices.Equal(w.direct, want) || len(w.sent) != 0 {
			t.Errorf("got %v sent directly and %v stored, want %v and none", w.direct, w.sent, want)
		}
		w.broken.Store(false)
		w.conditions.Met(job.ProcessStorage)
		w.conditions.Met(job.ProcessSchedule)
		w.after(time.Minute)
		if want := []job.NoticeKind{job.NoticeFault, job.NoticeFault, job.NoticeFaultEnded}; !slices.Equal(w.direct, want) {
			t.Errorf("got %v sent directly, want %v: the end goes the way of the beginning", w.direct, want)
		}
		if want := []job.NoticeKind{job.NoticeFaultEnded}; !slices.Equal(w.sent, want) {
			t.Errorf("got %v stored, want %v: the storage works again", w.sent, want)
		}
	})
}

func TestFaultsOfTheStorageInQuickSuccessionAreOne(t *testing.T) {
	t.Parallel()
	report(t, func(w *world) {
		for range 5 {
			w.conditions.Failed(job.ProcessStorage, health.Problem{Detail: "disk full"})
			w.after(time.Second)
			w.conditions.Met(job.ProcessStorage)
			w.after(5 * time.Second)
		}
		w.after(time.Minute)
		if want := []job.NoticeKind{job.NoticeFault, job.NoticeFaultEnded}; !slices.Equal(w.direct, want) {
			t.Errorf("got %v, want %v", w.direct, want)
		}
	})
}

func TestFaultEndsInALaterRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.run(t, w.sendDirect, func() {
			w.conditions.Failed(job.ProcessStorage, health.Problem{Detail: "data removed"})
			w.after(10 * time.Second)
		})
		w.run(t, nil, func() {
			w.conditions.Met(job.ProcessStorage)
			w.after(time.Minute)
		})
		if !slices.Equal(w.direct, []job.NoticeKind{job.NoticeFault}) || !slices.Equal(w.sent, []job.NoticeKind{job.NoticeFaultEnded}) {
			t.Errorf("got %v sent directly and %v stored, want the beginning in the first run and the end in the second", w.direct, w.sent)
		}
	})
}

// A process that is killed during a fault leaves its end to the next one.
func TestNextProcessReportsTheEndOfAFaultThatTheLastOneReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{inherited: []job.ProcessCondition{
			{Name: job.ProcessMail, Since: time.Now().Add(-time.Hour).UTC(), Detail: "relay away"},
			{Name: job.ProcessClock, Since: time.Now().Add(-time.Hour).UTC(), Detail: "wrong"},
		}}
		w.run(t, w.sendDirect, func() {
			w.conditions.Met(job.ProcessMail)
			w.conditions.Failed(job.ProcessClock, health.Problem{Detail: "still wrong"})
			if got := w.after(time.Minute); !slices.Equal(got, []job.NoticeKind{job.NoticeFaultEnded}) {
				t.Errorf("got %v, want one notice about the fault that ended, and none about the one that goes on", got)
			}
			w.conditions.Met(job.ProcessClock)
			if got := w.after(time.Minute); !slices.Equal(got, []job.NoticeKind{job.NoticeFaultEnded, job.NoticeFaultEnded}) {
				t.Errorf("got %v, want one about the end of the other", got)
			}
		})
	})
}
