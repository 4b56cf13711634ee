// Package pool runs jobs: a [Pool] takes them from a consumer, never more than its
// limit at once, and settles each by what its handler returns.
package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// Pool takes jobs from a stream and runs them, never more than its limit at
// once: it asks the server for exactly as many jobs as it has free slots. So a
// job waits in the stream, where any process can take it, and not in memory.
type Pool struct {
	p      *pipeline.Pipeline
	config Config
	log    *slog.Logger

	limit   atomic.Int64
	changed chan struct{} // holds a token when limit was changed
	serving atomic.Bool
	running atomic.Int64
	done    atomic.Uint64
	failed  atomic.Uint64
	stuck   atomic.Uint64
	newer   atomic.Int64 // when operators were last told of jobs of a newer version
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

// SetLimit changes how many jobs run at once, also while the pool serves. What
// runs goes on; a lower limit holds for what comes next. The error says that
// the limit is not between 1 and the configured MaxLimit.
func (l *Pool) SetLimit(limit int) error {
	if limit < 1 || limit > l.config.MaxLimit {
		return fmt.Errorf("set limit of pool %s: found %d, expected 1 to %d", l.config.Consumer.Name, limit, l.config.MaxLimit)
	}
	l.limit.Store(int64(limit))
	select {
	case l.changed <- struct{}{}:
	default: // the loop has not yet seen the change before, and will see this one with it
	}
	return nil
}

// Status is what a pool is doing.
type Status struct {
	Name  string `json:"name"`
	Stage string `json:"stage"`
	// Running is how many jobs run in this process, Limit how many may.
	Running int `json:"running"`
	Limit   int `json:"limit"`
	// Done and Failed count attempts since the process started, Stuck those
	// whose handler ignored the end of its context.
	Done   uint64 `json:"done"`
	Failed uint64 `json:"failed"`
	Stuck  uint64 `json:"stuck"`
}

// Status tells what the pool is doing.
func (l *Pool) Status() Status {
	return Status{
		Name: l.config.Consumer.Name, Stage: l.config.Stage, Running: int(l.running.Load()), Limit: int(l.limit.Load()),
		Done: l.done.Load(), Failed: l.failed.Load(), Stuck: l.stuck.Load(),
	}
}

// ErrServing is returned by a Serve that is called while another one runs.
var ErrServing = errors.New("already serving")

// Serve runs jobs until ctx ends; then it takes no more, lets those that run
// finish within the grace, gives the rest back and returns nil. A lost
// connection is no error: Serve waits for its return. An error means that the
// consumer could not be made, or that a stuck job was left behind. It is ready,
// as supervisors understand it, when it takes jobs.
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
	supervise.Ready(ctx)
	run := &run{
		Pool: l, attempts: &attemptLog{bucket: attempts, prefix: string(l.config.Consumer.Stream) + "." + l.config.Consumer.Name},
		ended: make(chan *task, min(l.config.MaxLimit, defaultMaxLimit)), over: make(chan struct{}), begun: make(chan begun), tasks: map[*task]struct{}{}, held: time.Now(),
		room: make(chan struct{}, 1),
	}
	defer close(run.over)
	return run.loop(ctx)
}

// bind makes the consumer, or brings it up to date. One that a newer program has
// made is used as it is.
func (l *Pool) bind(ctx context.Context) error {
	if newer, err := l.boundByNewer(ctx); newer || err != nil {
		return err
	}
	filter := ""
	if l.config.Consumer.Filter != "" {
		filter = l.p.Names().Subject(l.config.Consumer.Filter)
	}
	_, err := l.p.JetStream().CreateOrUpdateConsumer(ctx, l.stream(), jetstream.ConsumerConfig{
		Durable:       l.config.Consumer.Name,
		FilterSubject: filter,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       l.config.AckWait,
		// The pool settles each job itself. A bound here would leave a job in
		// a work queue that nobody gets and that blocks its subject.
		MaxDeliver:    -1,
		MaxAckPending: l.config.MaxUnsettled,
		Metadata:      topology.Metadata(),
	})
	if err != nil {
		return fmt.Errorf("bind consumer %s: %w", l.config.Consumer.Name, err)
	}
	return nil
}

// ErrStuck is returned by [Pool.Serve] when jobs ignored the end of their
// context; they run elsewhere once their hold has passed.
var ErrStuck = errors.New("jobs are stuck")

// stream is the server's name for the stream of the pool's jobs.
func (l *Pool) stream() string { return l.p.Names().Stream(l.config.Consumer.Stream) }

// boundByNewer reports whether a newer program has configured the consumer.
func (l *Pool) boundByNewer(ctx context.Context) (bool, error) {
	found, err := l.p.JetStream().Consumer(ctx, l.stream(), l.config.Consumer.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("bind consumer %s: %w", l.config.Consumer.Name, err)
	}
	config := &found.CachedInfo().Config
	if !topology.IsNewer(config.Metadata) {
		return false, nil
	}
	l.config.AckWait = min(l.config.AckWait, config.AckWait) // it decides how often the hold on jobs is renewed
	return true, nil
}
