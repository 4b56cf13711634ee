package workers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// Prober makes checks; *check.Checker is one.
type Prober interface {
	Check(ctx context.Context, spec job.Spec) job.Outcome
}

// checks is the service that runs checks: those of the schedule and those that
// people and programs ordered, each from a stream of its own so that neither
// backlog delays the other.
type checks struct {
	p        *pipeline.Pipeline
	prober   Prober
	location string
	limit    int
	grace    time.Duration
	pools    *poolSet
}

// maxCheckTime is the longest that a check may take, whatever its own timeout
// says; the prober ends it long before.
const maxCheckTime = 10 * time.Minute

// Serve runs checks until ctx ends. The batcher outlives the pools, whose last
// checks still have results to store.
func (c *checks) Serve(ctx context.Context) error {
	batcher := NewBatcher(c.p, 0)
	scheduled, err := c.p.NewPool(pipeline.PoolConfig{
		Name: "check-" + c.location, Stream: pipeline.Checks, Filter: "check." + c.location + ".>",
		Limit: c.limit, Timeout: maxCheckTime, Curve: shortCurve(), Grace: c.grace, MaxUnsettled: 1 << 20,
		Handler: func(ctx context.Context, d pipeline.Delivery) error { return c.scheduled(ctx, batcher, d) },
	})
	if err != nil {
		return err
	}
	outcomes, err := c.p.Bucket(ctx, pipeline.Outcomes)
	if err != nil {
		return err
	}
	ordered, err := c.p.NewPool(pipeline.PoolConfig{
		Name: "request-" + c.location, Stream: pipeline.Request, Filter: "request." + c.location + ".>",
		Limit: max(1, c.limit/4), Timeout: maxCheckTime, Curve: shortCurve(), Grace: c.grace,
		Handler: func(ctx context.Context, d pipeline.Delivery) error { return c.ordered(ctx, outcomes, d) },
	})
	if err != nil {
		return err
	}
	c.pools.add(scheduled, ordered)
	defer c.pools.remove(scheduled, ordered)
	batching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	gathered := make(chan error, 1)
	go func() { gathered <- batcher.Serve(batching) }()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return scheduled.Serve(ctx) })
	group.Go(func() error { return ordered.Serve(ctx) })
	err = group.Wait()
	stop()
	return errors.Join(err, <-gathered)
}

// shortCurve is for stages that fail only while the server is away.
func shortCurve() pipeline.Curve {
	return pipeline.Curve{Initial: 200 * time.Millisecond, Max: 5 * time.Second, Jitter: 0.5}
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
	if expired(order, time.Now()) {
		result.Miss = &job.Miss{Reason: job.MissExpired, Count: 1, Last: order.Slot}
	} else if result.Outcome, err = c.probe(ctx, order.Spec); err != nil {
		return err
	}
	return batcher.Submit(ctx, result)
}

func expired(order job.Check, now time.Time) bool {
	return !order.NotAfter.IsZero() && now.After(order.NotAfter)
}

// probe makes a check. The error says that it was interrupted, and is to be
// made by somebody else.
func (c *checks) probe(ctx context.Context, spec job.Spec) (*job.Outcome, error) {
	outcome := c.prober.Check(ctx, spec)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("check %s: %w", spec.Target(), context.Cause(ctx))
	}
	return &outcome, nil
}

// ordered makes a check that somebody ordered, and keeps its outcome under the
// order's id.
func (c *checks) ordered(ctx context.Context, outcomes *pipeline.Bucket, d pipeline.Delivery) error {
	order, err := job.Decode[job.Check](d.Body)
	if err != nil {
		return job.DeadFor(err)
	}
	order.ID = idOf(order.ID, d.Subject)
	if _, err := order.Kind(); err != nil {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read check: %w", err))
	}
	if !job.ValidName(order.ID) {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read check: found id %q, expected letters, digits, _, - and single dots", order.ID))
	}
	if expired(order, time.Now()) {
		return job.Dead(job.ReasonExpired, fmt.Errorf("read check: not wanted after %s", order.NotAfter.Format(time.RFC3339)))
	}
	result := job.Result{ID: order.ID, Worker: c.p.Process(), Location: c.location}
	if result.Outcome, err = c.probe(ctx, order.Spec); err != nil {
		return err
	}
	body, err := job.Encode(result)
	if err != nil {
		return err
	}
	_, err = outcomes.Put(ctx, order.ID, body)
	return err
}

// idOf is the id of a job: its own, or what its subject holds after the first
// two tokens.
func idOf(id, subject string) string {
	if id != "" {
		return id
	}
	parts := strings.SplitN(subject, ".", 3)
	return parts[len(parts)-1]
}
