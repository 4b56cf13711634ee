package progress_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/health"
	"vedette/workers/progress"
)

// world is a process that gets ticks, enqueues checks and has results.
type world struct {
	*progress.Watch

	conditions *health.Conditions
	away       atomic.Bool
	repairs    int
}

// watch runs a watch in a synctest bubble while steps runs.
func watch(t *testing.T, steps func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{conditions: health.NewConditions(time.Now)}
		w.Watch = progress.NewWatch(progress.Config{Conditions: w.conditions, AdvisoryResults: true, Connected: func() bool { return !w.away.Load() }, Repair: func(context.Context) { w.repairs++ }})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Serve(ctx) }()
		steps(w)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// pass lets seconds pass in which do is called.
func pass(seconds int, do func()) {
	for range seconds {
		<-time.After(time.Second)
		do()
	}
	synctest.Wait()
}

// reason returns why a condition has failed; empty if it is met.
func (w *world) reason(t *testing.T, name job.ProcessConditionName) job.ProcessConditionReason {
	t.Helper()
	c, known := w.conditions.Find(name)
	if !known {
		t.Errorf("got no condition %s, want one", name)
	}
	return c.Reason
}

func TestMissingTicksFailTheSchedule(t *testing.T) {
	t.Parallel()
	watch(t, func(w *world) {
		pass(30, w.Ticked)
		if got := w.reason(t, job.ProcessSchedule); got != "" {
			t.Errorf("got %q with ticks, want none", got)
		}
		pass(9, func() {})
		if got := w.reason(t, job.ProcessSchedule); got != "" {
			t.Errorf("got %q after nine seconds, want none", got)
		}
		pass(3, func() {})
		if got := w.reason(t, job.ProcessSchedule); got != job.FaultNoTicks {
			t.Errorf("got %q after twelve seconds without a tick, want %q", got, job.FaultNoTicks)
		}
		if c, _ := w.conditions.Find(job.ProcessSchedule); !strings.Contains(c.Detail, "no tick for 12s") && !strings.Contains(c.Detail, "no tick for 11s") {
			t.Errorf("got %q, want how long there was none", c.Detail)
		}
		pass(20, func() {})
		if w.repairs != 1 {
			t.Errorf("got %d repairs, want one in the first half minute", w.repairs)
		}
		pass(2, w.Ticked)
		if got := w.reason(t, job.ProcessSchedule); got != "" {
			t.Errorf("got %q with ticks again, want none", got)
		}
	})
}

func TestChecksWithoutResultsFailTheResults(t *testing.T) {
	t.Parallel()
	watch(t, func(w *world) {
		enqueue := func() {
			w.Ticked()
			w.Enqueued(2 * time.Second)
		}
		checked := []job.Result{{Monitor: "m"}}
		pass(60, func() { enqueue(); w.Results(checked) })
		if got := w.reason(t, job.ProcessResults); got != "" {
			t.Errorf("got %q with results, want none", got)
		}
		overlap := []job.Result{{Monitor: "m", Miss: &job.Miss{Reason: job.MissOverlap}}}
		pass(11, func() { enqueue(); w.Results(overlap) })
		if got := w.reason(t, job.ProcessResults); got != "" {
			t.Errorf("got %q after eleven seconds, want none", got)
		}
		pass(3, func() { enqueue(); w.Results(overlap) })
		if got := w.reason(t, job.ProcessResults); got != job.FaultNoResults {
			t.Errorf("got %q with missed slots only, want %q", got, job.FaultNoResults)
		}
		if !health.Ready(w.conditions.List()) {
			t.Error("got an unready process, want a ready one, since others make the checks")
		}
		if got := w.reason(t, job.ProcessSchedule); got != "" {
			t.Errorf("got %q of the schedule, want none", got)
		}
		pass(2, func() { w.Ticked(); w.Results(checked) })
		if got := w.reason(t, job.ProcessResults); got != "" {
			t.Errorf("got %q with a result, want none", got)
		}
		pass(300, w.Ticked)
		if got := w.reason(t, job.ProcessResults); got != "" {
			t.Errorf("got %q while nothing is enqueued, want none", got)
		}
	})
}

// A cause that has its own condition is reported once.
func TestBrokenStorageAndLostConnectionAreTheReasonThemselves(t *testing.T) {
	t.Parallel()
	watch(t, func(w *world) {
		pass(2, w.Ticked)
		w.conditions.Failed(job.ProcessStorage, health.Problem{Detail: "disk full"})
		w.Enqueued(time.Second)
		pass(60, func() {})
		w.conditions.Met(job.ProcessStorage)
		w.away.Store(true)
		pass(60, func() {})
		w.away.Store(false)
		pass(5, func() {})
		for _, name := range []job.ProcessConditionName{job.ProcessSchedule, job.ProcessResults} {
			if got := w.reason(t, name); got != "" {
				t.Errorf("%s: got %q, want none so soon after the cause has ended", name, got)
			}
		}
		pass(10, func() {})
		if got := w.reason(t, job.ProcessSchedule); got != job.FaultNoTicks {
			t.Errorf("got %q, want %q: ticks did not come back", got, job.FaultNoTicks)
		}
	})
}
