package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// Prober makes checks; *check.Checker is one.
type Prober interface {
	Check(ctx context.Context, spec job.Spec) job.Outcome
}

// checks is the service that runs checks: those of the schedule, those that
// people and programs ordered, and those that somebody waits for, each from a
// queue of its own so that no backlog delays the others.
type checks struct {
	p        *pipeline.Pipeline
	prober   Prober
	location string
	pools    *poolSet
	base     pipeline.PoolConfig // what all pools of the process share
}

// maxCheckTime is the longest that a check may take, whatever its own timeout
// says; the prober ends it long before.
const maxCheckTime = 10 * time.Minute

// shortCurve is for stages that fail only while the server is away.
func shortCurve() pipeline.Curve {
	return pipeline.Curve{Initial: 200 * time.Millisecond, Max: 5 * time.Second, Jitter: 0.5}
}

// Serve runs checks until ctx ends. The batcher outlives the pools, whose last
// checks still have results to store.
func (c *checks) Serve(ctx context.Context) error {
	answers, err := newAnswers(ctx, c.p)
	if err != nil {
		return err
	}
	batcher := NewBatcher(c.p, 0)
	pools, err := c.pools.make(c.p,
		c.scheduledPool(batcher),
		c.orderedPool(pipeline.ConsumerRequests(c.location), pipeline.Request, "request."+c.location+".>", answers),
		c.orderedPool(pipeline.ConsumerCheckCalls(c.location), pipeline.Call, "call.check."+c.location+".>", answers),
	)
	if err != nil {
		return err
	}
	defer c.pools.remove(pools...)
	batching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	gathered := make(chan error, 1)
	go func() { gathered <- batcher.Serve(batching) }()
	err = serveAll(ctx, pools)
	stop()
	return errors.Join(err, <-gathered)
}

func serveAll(ctx context.Context, pools []*pipeline.Pool) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, pool := range pools {
		group.Go(func() error { return pool.Serve(ctx) })
	}
	return group.Wait()
}

func (c *checks) scheduledPool(batcher *Batcher) pipeline.PoolConfig {
	config := c.base
	config.Name, config.Stage, config.Stream = pipeline.ConsumerChecks(c.location), StageCheck, pipeline.Checks
	config.Filter = "check." + c.location + ".>"
	config.Timeout, config.Curve, config.MaxUnsettled = maxCheckTime, shortCurve(), 1<<20
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error { return c.scheduled(ctx, batcher, d) }
	return config
}

func (c *checks) orderedPool(name string, stream pipeline.Stream, filter string, answers *answers) pipeline.PoolConfig {
	config := c.base
	config.Name, config.Stage, config.Stream, config.Filter = name, StageCheck, stream, filter
	config.Timeout, config.Curve = maxCheckTime, shortCurve()
	config.Buried = answers.buried(job.OrderCheck)
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error { return c.ordered(ctx, answers, d) }
	return config
}

// scheduled makes the check of a slot, and returns when its result is stored.
func (c *checks) scheduled(ctx context.Context, batcher *Batcher, d pipeline.Delivery) error {
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
	} else if result.Outcome, err = c.probe(ctx, order.Spec); err != nil {
		return err
	}
	return batcher.Submit(ctx, result)
}

func expired(notAfter, now time.Time) bool { return !notAfter.IsZero() && now.After(notAfter) }

// probe makes a check. The error says that it was interrupted, and is to be
// made by somebody else.
func (c *checks) probe(ctx context.Context, spec job.Spec) (*job.Outcome, error) {
	outcome := c.prober.Check(ctx, spec)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("check %s: %w", spec.Target(), context.Cause(ctx))
	}
	return &outcome, nil
}

// ordered makes a check that somebody ordered, and answers.
func (c *checks) ordered(ctx context.Context, answers *answers, d pipeline.Delivery) error {
	order, err := job.Decode[job.Check](d.Body)
	if err != nil {
		return job.DeadFor(err)
	}
	id, err := checkID(order.ID, d.Subject)
	if err != nil {
		return err
	}
	if _, err := order.Kind(); err != nil {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read check: %w", err))
	}
	if expired(order.NotAfter, time.Now()) {
		return job.Dead(job.ReasonExpired, fmt.Errorf("read check: not wanted after %s", order.NotAfter.Format(time.RFC3339)))
	}
	result := job.Result{ID: id, Worker: c.p.Process(), Location: c.location}
	if result.Outcome, err = c.probe(ctx, order.Spec); err != nil {
		return err
	}
	return answers.give(ctx, d, job.Answer{Order: job.OrderCheck, ID: id, Check: &result})
}
