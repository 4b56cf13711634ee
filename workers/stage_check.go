package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// Prober makes checks; *check.Checker is one.
type Prober interface {
	Check(ctx context.Context, spec job.Spec) job.ProbeResult
}

// checkStage is the branch that runs checks: those of the schedule, those that
// people and programs ordered, and those that somebody waits for, each from a
// queue of its own so that no backlog delays the others.
type checkStage struct {
	*shared

	prober   Prober
	location string

	// What the part "results" makes, for the pools that start after it.
	batcher *ResultBatcher
	answers *outcomes
}

// maxCheckTime is the longest that a check may take, whatever its own timeout
// says; the prober ends it long before.
const maxCheckTime = 10 * time.Minute

// retryBackoff is for stages that fail only while the server is away.
func retryBackoff() pool.Backoff {
	return pool.Backoff{Initial: 200 * time.Millisecond, Max: 5 * time.Second, Jitter: 0.5}
}

// branch:
//
//	check              rest_for_one
//	├── results        gathers the results of scheduled checks into batches
//	└── parts          dynamic
//	    ├── check-…       of the schedule
//	    ├── request-…     that somebody ordered
//	    └── call-check-…  that somebody waits for
func (c *checkStage) branch() (supervise.Child, error) {
	return c.shared.branch(StageCheck,
		[]supervise.Child{c.child("results", c.gather)},
		[]supervise.Child{
			c.pool(topology.CheckConsumer(c.location), c.scheduledPool),
			c.pool(topology.AdhocConsumer(c.location), c.orderedPool),
			c.pool(topology.CheckCallConsumer(c.location), c.orderedPool),
		})
}

// gather serves a batcher. It outlives the pools, whose last checks still have
// results to store.
func (c *checkStage) gather(ctx context.Context) error {
	answers, err := newOutcomes(ctx, c.p)
	if err != nil {
		return err
	}
	c.answers, c.batcher = answers, NewResultBatcher(c.p, 0)
	supervise.Ready(ctx)
	return c.batcher.Serve(ctx)
}

func (c *checkStage) scheduledPool() pool.Config {
	config, batcher := c.base, c.batcher
	config.Stage, config.Timeout, config.Backoff, config.MaxUnsettled = StageCheck, maxCheckTime, retryBackoff(), 1<<20
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error { return c.scheduled(ctx, batcher, d) }
	return config
}

func (c *checkStage) orderedPool() pool.Config {
	config, answers := c.base, c.answers
	config.Stage, config.Timeout, config.Backoff = StageCheck, maxCheckTime, retryBackoff()
	config.OnDeadLetter = answers.onDeadLetter(job.JobCheck)
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error { return c.ordered(ctx, answers, d) }
	return config
}

// scheduled makes the check of a slot, and returns when its result is stored.
func (c *checkStage) scheduled(ctx context.Context, batcher *ResultBatcher, d pipeline.Delivery) error {
	order, err := job.Decode[job.Check](d.Body)
	if err != nil {
		return job.DeadFor(err)
	}
	if order.Monitor == "" || order.Slot.IsZero() {
		return job.Dead(job.ReasonInvalid, errors.New("read check: found no monitor or no slot, expected both"))
	}
	result := job.Result{Monitor: order.Monitor, Slot: order.Slot, Worker: c.p.Process(), Location: c.location}
	if expired(order.NotAfter, time.Now()) {
		result.Miss = &job.Miss{Reason: job.MissExpired, Count: 1, Last: order.Slot}
	} else if result.ProbeResult, err = c.probe(ctx, order.Spec); err != nil {
		return err
	}
	pool.Yield(ctx) // the slot is for checks, not for the wait until their results are stored
	return batcher.Submit(ctx, result)
}

func expired(notAfter, now time.Time) bool { return !notAfter.IsZero() && now.After(notAfter) }

// probe makes a check. The error says that it was interrupted, and is to be
// made by somebody else.
func (c *checkStage) probe(ctx context.Context, spec job.Spec) (*job.ProbeResult, error) {
	outcome := c.prober.Check(ctx, spec)
	if outcome.Stack != "" {
		c.tellPanic(ctx, spec, outcome)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("check %s: %w", spec.Target(), context.Cause(ctx))
	}
	return &outcome, nil
}

// tellPanic tells the operators of a probe that panicked: it is ours that is
// broken, and not the target.
func (c *checkStage) tellPanic(ctx context.Context, spec job.Spec, outcome job.ProbeResult) {
	kind, _ := spec.Kind() // a probe has run, so there is one
	notice := job.PanicNotice(kind+" probe", spec.Target(), outcome.Cause, []byte(outcome.Stack), time.Now())
	c.log.ErrorContext(ctx, "probe panicked", "target", spec.Target(), "error", outcome.Cause, "stack", outcome.Stack)
	if err := c.p.Notify(ctx, notice); err != nil {
		c.log.WarnContext(ctx, "tell operators of panic", "error", err)
	}
}

// ordered makes a check that somebody ordered, and answers.
func (c *checkStage) ordered(ctx context.Context, answers *outcomes, d pipeline.Delivery) error {
	order, err := job.Decode[job.Check](d.Body)
	if err != nil {
		return job.DeadFor(err)
	}
	id, err := readID(order.ID, d.Subject)
	if err != nil {
		return err
	}
	if _, err := order.Kind(); err != nil {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read check: %w", err))
	}
	if names := order.SecretNames(); len(names) > 0 { // an order may come from anybody, and would send them anywhere
		return job.Dead(job.ReasonForbidden, fmt.Errorf("read check: found a reference to secret %s, expected none: only monitors may use secrets", names[0]))
	}
	if expired(order.NotAfter, time.Now()) {
		return job.Dead(job.ReasonExpired, fmt.Errorf("read check: not wanted after %s", order.NotAfter.Format(time.RFC3339)))
	}
	result := job.Result{ID: id, Worker: c.p.Process(), Location: c.location}
	if result.ProbeResult, err = c.probe(ctx, order.Spec); err != nil {
		return err
	}
	return answers.publish(ctx, d, job.Outcome{Kind: job.JobCheck, ID: id, Check: &result})
}
