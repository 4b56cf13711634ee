package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/stranded"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// Prober makes checks; *check.Checker is one.
type Prober interface {
	Check(ctx context.Context, spec job.Spec) job.ProbeResult
}

// checkStage runs checks: scheduled checks, ad-hoc checks, and calls, whose
// callers wait for the outcome. Each kind has its own queue, so that no backlog
// delays the others.
type checkStage struct {
	*shared

	prober   Prober
	location string
	lost     stranded.Reclaimed // the jobs of dead processes
}

// checkJobs handles the jobs. Its batcher outlives the pools, whose last checks
// still have results to store.
type checkJobs struct {
	*checkStage

	batcher  *ResultBatcher
	outcomes *outcomes
}

// maxCheckTime bounds a check, whatever its own timeout; the prober ends it long
// before.
const maxCheckTime = 10 * time.Minute

// supervisor:
//
//	check              rest_for_one
//	├── results        gathers the results of scheduled checks into batches
//	└── children       dynamic
//	    ├── check-…       scheduled checks
//	    ├── adhoc-…       ad-hoc checks
//	    └── call-check-…  calls
func (s *checkStage) supervisor() (supervise.Child, error) {
	return stage[*checkJobs]{
		name: StageCheck, foundation: "results", open: s.open,
		pools: []stagePool[*checkJobs]{
			{topology.CheckConsumer(s.location), func(l Limits) int { return l.Checks }, (*checkJobs).scheduledPool},
			{topology.AdhocConsumer(s.location), func(l Limits) int { return l.Adhoc }, (*checkJobs).adhocPool},
			{topology.CheckCallConsumer(s.location), func(l Limits) int { return l.Calls }, (*checkJobs).adhocPool},
		},
	}.supervisor(s.shared)
}

func (s *checkStage) open(ctx context.Context, ready func(*checkJobs)) error {
	outcomes, err := newOutcomes(ctx, s.p)
	if err != nil {
		return err
	}
	jobs := &checkJobs{checkStage: s, batcher: NewResultBatcher(s.p, 0), outcomes: outcomes}
	ready(jobs)
	return jobs.batcher.Serve(ctx)
}

func (j *checkJobs) scheduledPool() pool.Config {
	return pool.Config{Timeout: maxCheckTime, MaxUnsettled: 1 << 20, Handler: j.scheduled}
}

func (j *checkJobs) adhocPool() pool.Config {
	return pool.Config{Timeout: maxCheckTime, OnDeadLetter: j.outcomes.onDeadLetter(job.JobCheck), Handler: j.adhoc}
}

// scheduled makes the check for a slot, and returns when its result is stored.
func (j *checkJobs) scheduled(ctx context.Context, d pipeline.Delivery) error {
	check, err := job.Decode[job.Check](d.Body)
	if err != nil {
		return job.DeadFor(err)
	}
	if check.Monitor == "" || check.Slot.IsZero() {
		return job.Dead(job.ReasonInvalid, errors.New("read check: found no monitor or no slot, expected both"))
	}
	result := job.Result{Monitor: check.Monitor, Slot: check.Slot, Worker: j.p.Process(), Location: j.location}
	if expired(check.NotAfter, time.Now()) {
		result.Miss = j.expiredMiss(d, check.Slot)
	} else if result.ProbeResult, err = j.probe(ctx, check.Spec); err != nil {
		return err
	}
	pool.Yield(ctx) // storing the result needs no slot
	return j.batcher.Submit(ctx, result)
}

// expiredMiss is the miss for a check that comes too late: it waited too long for a
// worker, or the process that had it is gone.
func (s *checkStage) expiredMiss(d pipeline.Delivery, slot job.Slot) *job.Miss {
	miss := &job.Miss{Reason: job.MissExpired, Count: 1, Last: slot}
	switch {
	case len(s.lost.Gone) > 0 && d.Stored.Before(s.lost.Before):
		miss.Reason, miss.Detail = job.MissLost, "when process "+s.lost.Gone[0].Name+" was killed"
	case d.Redelivered:
		miss.Reason, miss.Detail = job.MissLost, "its worker was killed, stopped or cut off"
	}
	return miss
}

func expired(notAfter, now time.Time) bool { return !notAfter.IsZero() && now.After(notAfter) }

// probe makes a check. The error means that the check was interrupted, and must
// be repeated.
func (j *checkJobs) probe(ctx context.Context, spec job.Spec) (*job.ProbeResult, error) {
	result := j.prober.Check(ctx, spec)
	if result.Stack != "" {
		j.reportPanic(ctx, spec, result)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("check %s: %w", spec.Target(), context.Cause(ctx))
	}
	return &result, nil
}

// reportPanic notifies the operators: a probe that panicked is our own defect,
// not the target's.
func (j *checkJobs) reportPanic(ctx context.Context, spec job.Spec, result job.ProbeResult) {
	kind, _ := spec.Kind() // a probe has run, so there is one
	notice := job.Panic{Part: kind + " probe", Input: spec.Target(), Message: result.Cause, Stack: result.Stack}.Notice(time.Now())
	j.log.ErrorContext(ctx, "probe panicked", "target", spec.Target(), "error", result.Cause, "stack", result.Stack)
	j.notify(ctx, notice)
}

// adhoc makes an ad-hoc check, and publishes its outcome.
func (j *checkJobs) adhoc(ctx context.Context, d pipeline.Delivery) error {
	check, err := job.Decode[job.Check](d.Body)
	if err != nil {
		return job.DeadFor(err)
	}
	id, err := readID(check.ID, d.Subject)
	if err != nil {
		return err
	}
	if _, err := check.Kind(); err != nil {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read check: %w", err))
	}
	if names := check.SecretNames(); len(names) > 0 { // any client may enqueue a check, and could send secrets to any target
		return job.Dead(job.ReasonForbidden, fmt.Errorf("read check: found a reference to secret %s, expected none: only monitors may use secrets", names[0]))
	}
	if expired(check.NotAfter, time.Now()) {
		return job.Dead(job.ReasonExpired, fmt.Errorf("read check: found not_after %s, expected a later time", check.NotAfter.Format(time.RFC3339)))
	}
	result := job.Result{ID: id, Worker: j.p.Process(), Location: j.location}
	if result.ProbeResult, err = j.probe(ctx, check.Spec); err != nil {
		return err
	}
	return j.outcomes.publish(ctx, d, job.Outcome{Kind: job.JobCheck, ID: id, Check: &result})
}
