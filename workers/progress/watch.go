// Package progress watches that a process which schedules gets its ticks, and that
// the checks it enqueues have results. It finds that nothing is watched, whatever
// the reason.
package progress

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/workers/health"
)

// Config configures a [Watch].
type Config struct {
	// Conditions gets the conditions schedule and results. While the condition
	// storage has failed, neither is examined: it is the reason.
	Conditions *health.Conditions
	// Connected reports whether the server can be reached. Without it neither
	// condition is examined.
	Connected func() bool
	// AdvisoryResults means that other processes make the checks, so that missing
	// results do not make this one unready.
	AdvisoryResults bool
	// Repair, when set, is called from time to time while no ticks come: the clocks
	// may have been removed from the server.
	Repair func(context.Context)
}

// Watch is a service that reports the conditions schedule and results. The
// scheduler calls Ticked and Enqueued, the reader of results calls Results.
type Watch struct {
	config   Config
	repaired time.Time // when Repair was last called

	mu    sync.Mutex
	state state
}

// NewWatch returns a watch that starts with Serve.
func NewWatch(config Config) *Watch {
	return &Watch{config: config}
}

// Ticked counts a tick that the scheduler has got.
func (w *Watch) Ticked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.ticked = time.Now()
}

// Enqueued counts checks that were stored in their queue. The first of them should
// have its result after at most the given time.
func (w *Watch) Enqueued(within time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.enqueued(time.Now(), within)
}

// Results counts results that were stored. Those that the scheduler itself records
// for slots without a check do not matter.
func (w *Watch) Results(results []job.Result) {
	made := slices.ContainsFunc(results, func(r job.Result) bool {
		return r.Miss == nil || r.Miss.Reason == job.MissExpired || r.Miss.Reason == job.MissCheckFailed
	})
	if made {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.state.due = time.Time{}
	}
}

const (
	// period is how often the conditions are examined.
	period = time.Second
	// repairPause is between two calls of Repair.
	repairPause = 30 * time.Second
)

// Serve watches until ctx ends.
func (w *Watch) Serve(ctx context.Context) error {
	w.restart()
	supervise.Ready(ctx)
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			w.look(ctx)
		}
	}
}

func (w *Watch) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.restart(time.Now())
}

func (w *Watch) look(ctx context.Context) {
	if storage, known := w.config.Conditions.Find(job.ProcessStorage); known && !storage.OK || !w.config.Connected() {
		w.restart()
		return
	}
	w.mu.Lock()
	schedule, results := w.state.decide(time.Now())
	w.mu.Unlock()
	if results != nil {
		results.Advisory = w.config.AdvisoryResults
	}
	w.report(job.ProcessSchedule, schedule)
	w.report(job.ProcessResults, results)
	if schedule != nil && w.config.Repair != nil && time.Since(w.repaired) > repairPause {
		w.config.Repair(ctx)
		w.repaired = time.Now()
	}
}

func (w *Watch) report(name job.ProcessConditionName, problem *health.Problem) {
	if problem == nil {
		w.config.Conditions.Met(name)
		return
	}
	w.config.Conditions.Failed(name, *problem)
}

// state is what is known. All times have the monotonic clock, so that a step of the
// wall clock does not look like a pause.
type state struct {
	ticked time.Time // when the last tick came, or when the watch began to wait
	due    time.Time // when a result should be there, zero if none is awaited
	wait   time.Duration
}

const (
	// tickGrace is how long no tick may come: there are as many in each second as
	// the installation has shards.
	tickGrace = 10 * time.Second
	// resultGrace is how much later than expected a result may be.
	resultGrace = 10 * time.Second
	// maxWait bounds the wait for a check with a long interval, which may wait long
	// in a queue; others have results in the meantime.
	maxWait = time.Minute
)

// restart begins to wait again.
func (s *state) restart(now time.Time) { s.ticked, s.due = now, time.Time{} }

func (s *state) enqueued(now time.Time, within time.Duration) {
	if s.due.IsZero() {
		s.wait = min(maxWait, within) + resultGrace
		s.due = now.Add(s.wait)
	}
}

// decide returns what is wrong with ticks and results, nil if nothing is.
func (s *state) decide(now time.Time) (schedule, results *health.Problem) {
	if silence := now.Sub(s.ticked); silence > tickGrace {
		schedule = &health.Problem{Reason: job.FaultNoTicks, Detail: fmt.Sprintf("no tick for %s, so no check is scheduled", silence.Round(time.Second))}
	}
	if !s.due.IsZero() && now.After(s.due) {
		results = &health.Problem{Reason: job.FaultNoResults, Detail: fmt.Sprintf("checks were enqueued %s ago, and none has a result since", (now.Sub(s.due) + s.wait).Round(time.Second))}
	}
	return schedule, results
}
