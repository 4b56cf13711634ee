package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// SchedulerConfig configures a [Scheduler].
type SchedulerConfig struct {
	Pipeline *pipeline.Pipeline
	// Ticked, when set, is called with each tick, and Enqueued once checks were
	// stored, with the shortest time within which one of them should begin.
	Ticked   func()
	Enqueued func(within time.Duration)
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Scheduler publishes the checks that are due. JetStream is its clock: for each
// shard there is one tick a second, which any one scheduler receives. A cursor
// for each shard is the last second whose slots were handled. So a late,
// repeated or missing tick neither doubles nor loses a slot; a slot that is too
// late is recorded as missed.
type Scheduler struct {
	config   SchedulerConfig
	table    *monitorTable
	workers  *workerPresence
	load     *loadWatch
	pool     atomic.Pointer[pool.Pool] // the current or last one
	started  time.Time
	lastTick atomic.Int64 // when the last one arrived, since started

	mu           sync.Mutex
	handledUntil []time.Time // by shard, as far as this process knows
}

// NewScheduler returns a scheduler, which starts with Serve.
func NewScheduler(config SchedulerConfig) (*Scheduler, error) {
	if config.Pipeline == nil {
		return nil, errors.New("create scheduler: found no pipeline, expected one")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Ticked == nil {
		config.Ticked = func() {}
	}
	if config.Enqueued == nil {
		config.Enqueued = func(time.Duration) {}
	}
	shards := config.Pipeline.Shards()
	staff, table := newWorkerPresence(config.Pipeline, config.Logger), newMonitorTable(shards)
	return &Scheduler{
		config: config, table: table, handledUntil: make([]time.Time, shards), started: time.Now(),
		workers: staff, load: newLoadWatch(config.Pipeline, config.Logger, staff, table.demand),
	}, nil
}

// tickGrace is short, because returning a tick to the queue costs nothing.
const tickGrace = 2 * time.Second

// tickBackoff is short, because the next tick covers the slots of a failed one.
func tickBackoff() pool.Backoff {
	return pool.Backoff{Initial: 100 * time.Millisecond, Max: time.Second, Jitter: 0.5}
}

// Serve follows the definitions and handles ticks until ctx ends. It returns an
// error if a watch or the consumer fails, and may be called again.
func (s *Scheduler) Serve(ctx context.Context) error {
	monitors, err := s.config.Pipeline.Bucket(ctx, topology.Monitors)
	if err != nil {
		return fmt.Errorf("serve scheduler: %w", err)
	}
	cursors, err := s.config.Pipeline.Bucket(ctx, topology.Cursors)
	if err != nil {
		return fmt.Errorf("serve scheduler: %w", err)
	}
	workers, err := pool.New(s.config.Pipeline, pool.Config{
		Consumer: topology.SchedulerConsumer(), Limit: s.config.Pipeline.Shards(),
		Timeout: 20 * time.Second, Grace: tickGrace, Backoff: tickBackoff(),
		Handler: func(ctx context.Context, d pipeline.Delivery) error { return s.tick(ctx, cursors, d) },
	})
	if err != nil {
		return fmt.Errorf("serve scheduler: %w", err)
	}
	s.pool.Store(workers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.load.serve(ctx) })
	group.Go(func() error { return s.watchTicks(ctx) })
	loaded := make(chan struct{})
	group.Go(func() error {
		return monitors.Watch(ctx, s.define, func() { close(loaded) })
	})
	group.Go(func() error {
		select {
		case <-loaded: // without the definitions, no slot would be due
			return workers.Serve(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}

// Pools returns the status of the tick pool, or nothing before the first start.
func (s *Scheduler) Pools() []pool.Status {
	if workers := s.pool.Load(); workers != nil {
		return []pool.Status{workers.Status()}
	}
	return nil
}
