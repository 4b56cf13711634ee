// Package pool runs jobs. A [Pool] takes them from a consumer, never more at once
// than its limit, and settles each according to its handler's result.
//
// It speaks JetStream's pull protocol directly: the client library's iterators
// ask for messages before a slot is free, and the time until a redelivery runs
// while those messages wait in the client's buffer.
package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"vedette/pipeline"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// Pool takes jobs from a stream and runs them. It asks the server for exactly as
// many jobs as it has free slots, so that a waiting job is in the stream, where
// any process can take it, and not in memory.
type Pool struct {
	p      *pipeline.Pipeline
	config Config
	log    *slog.Logger

	limit   atomic.Int64
	changed chan struct{} // holds a token after the limit changed
	serving atomic.Bool
	running atomic.Int64
	done    atomic.Uint64
	failed  atomic.Uint64
	stuck   atomic.Uint64
	newer   atomic.Int64 // when the last notice about newer jobs was stored
}

// New makes a pool. It starts with Serve. The error lists every problem in the
// configuration.
func New(p *pipeline.Pipeline, config Config) (*Pool, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	pool := &Pool{p: p, config: config, log: p.Logger().With("pool", config.Consumer.Name), changed: make(chan struct{}, 1)}
	pool.limit.Store(int64(config.Limit))
	return pool, nil
}

// SetLimit changes how many jobs run at once, also while the pool serves.
// Running jobs continue. The error says that the limit is not between 1 and the
// configured MaxLimit.
func (l *Pool) SetLimit(limit int) error {
	if limit < 1 || limit > l.config.MaxLimit {
		return fmt.Errorf("set limit of pool %s: found %d, expected 1 to %d", l.config.Consumer.Name, limit, l.config.MaxLimit)
	}
	l.limit.Store(int64(limit))
	signal(l.changed)
	return nil
}

// signal puts a token into a channel for one. A token that is still there
// announces this event too.
func signal(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// Status is a pool's status.
type Status struct {
	Name  string `json:"name"`
	Stage string `json:"stage"`
	// Running counts the jobs that run in this process, at most Limit.
	Running int `json:"running"`
	Limit   int `json:"limit"`
	// Done and Failed count attempts since the process started, Stuck those
	// whose handler ignored the end of its context.
	Done   uint64 `json:"done"`
	Failed uint64 `json:"failed"`
	Stuck  uint64 `json:"stuck"`
}

// Status returns the pool's status.
func (l *Pool) Status() Status {
	return Status{
		Name: l.config.Consumer.Name, Stage: l.config.Stage, Running: int(l.running.Load()), Limit: int(l.limit.Load()),
		Done: l.done.Load(), Failed: l.failed.Load(), Stuck: l.stuck.Load(),
	}
}

// ErrServing is returned by a second [Pool.Serve] while the first one runs.
var ErrServing = errors.New("already serving")

// ErrStuck is returned by [Pool.Serve] when jobs ignored the end of their
// context. They run elsewhere once their hold has expired.
var ErrStuck = errors.New("jobs are stuck")

// Serve runs jobs until ctx ends. Then it takes no more jobs, gives the running
// ones the grace to finish, returns the rest to the queue and returns nil. After
// a lost connection it waits for a new one. An error means that the consumer
// could not be created, or that a stuck job was left behind. To its supervisor
// it is ready when it takes jobs.
func (l *Pool) Serve(ctx context.Context) error {
	if !l.serving.CompareAndSwap(false, true) {
		return fmt.Errorf("serve pool %s: %w", l.config.Consumer.Name, ErrServing)
	}
	defer l.serving.Store(false)
	attempts, err := l.p.Bucket(ctx, topology.Attempts)
	if err != nil {
		return fmt.Errorf("serve pool %s: %w", l.config.Consumer.Name, err)
	}
	if err := l.bind(ctx); err != nil {
		return fmt.Errorf("serve pool %s: %w", l.config.Consumer.Name, err)
	}
	earlier, err := l.lastSequence(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("serve pool %s: %w", l.config.Consumer.Name, err)
	}
	supervise.Ready(ctx)
	run := newRun(l, attempts)
	run.earlier = earlier
	defer close(run.over)
	return run.loop(ctx)
}
