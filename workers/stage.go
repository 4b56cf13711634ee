package workers

import (
	"context"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// stage describes the supervisor for one stage. The first child opens a
// foundation: a value of type F, such as opened buckets or an evaluator. The
// pools are built from that value, and restart when it is opened again. They do
// not need each other, and stop in parallel.
//
//	<name>             rest_for_one
//	├── <foundation>
//	└── children       dynamic
//	    └── <pool or watch>…
type stage[F any] struct {
	name       string
	foundation string // the name of the first child
	// open opens a foundation, hands it over by calling ready, and serves it
	// until ctx ends.
	open    func(ctx context.Context, ready func(F)) error
	pools   []stagePool[F]
	watches []supervise.Child // these need no foundation
}

// stagePool describes one pool in a stage.
type stagePool[F any] struct {
	consumer  topology.Consumer
	limit     func(Limits) int    // how many jobs run at once; nil: [fewAtOnce]
	configure func(F) pool.Config // stage, consumer, limit and grace are filled in, and a missing backoff
}

// supervisor builds the supervisor.
func (t stage[F]) supervisor(s *shared) (supervise.Child, error) {
	var current handover[F]
	first := s.child(t.foundation, func(ctx context.Context) error {
		hand := current.begin()
		return t.open(ctx, func(foundation F) {
			hand(foundation)
			supervise.Ready(ctx)
		})
	})
	rest := t.watches
	for _, workers := range t.pools {
		rest = append(rest, s.child(workers.consumer.Name, func(ctx context.Context) error {
			config := workers.configure(current.latest())
			config.Stage, config.Consumer = t.name, workers.consumer
			return s.servePool(ctx, config, workers.limit)
		}))
	}
	children, err := supervise.New(supervise.Spec{
		Name: t.name + "/children", Strategy: supervise.Dynamic, Shutdown: s.grace, Children: rest, Events: s.events, Logger: s.log,
	})
	if err != nil {
		return supervise.Child{}, err
	}
	whole, err := supervise.New(supervise.Spec{
		Name: t.name, Strategy: supervise.RestForOne, Events: s.events, Logger: s.log,
		Children: []supervise.Child{first, {Name: "children", Service: children, Backoff: restartBackoff}},
	})
	return supervise.Child{Name: t.name, Service: whole, Backoff: restartBackoff}, err
}

func (s *shared) servePool(ctx context.Context, config pool.Config, limit func(Limits) int) error {
	config.AckWait, config.Grace = s.base.AckWait, s.base.Grace
	if config.Backoff == (pool.Backoff{}) {
		config.Backoff = retryBackoff()
	}
	workers, err := s.pools.add(s.p, config, limit)
	if err != nil {
		return err
	}
	defer s.pools.remove(workers)
	return workers.Serve(ctx)
}

// retryBackoff is for stages that fail only while the server is away.
func retryBackoff() pool.Backoff {
	return pool.Backoff{Initial: 200 * time.Millisecond, Max: 5 * time.Second, Jitter: 0.5}
}

// handle returns a handler for jobs of type T.
func handle[T any](work func(context.Context, T) error) func(context.Context, pipeline.Delivery) error {
	return func(ctx context.Context, d pipeline.Delivery) error {
		message, err := job.Decode[T](d.Body)
		if err != nil {
			return job.DeadFor(err)
		}
		return work(ctx, message)
	}
}

// handover passes a foundation from the child that opens it to the pools. A
// stuck incarnation of that child may still run next to its replacement, and
// what it hands over late is discarded.
type handover[F any] struct {
	mu          sync.Mutex
	incarnation int
	foundation  F
}

// begin starts an incarnation, and returns the function by which it hands over.
func (h *handover[F]) begin() func(F) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.incarnation++
	own := h.incarnation
	return func(foundation F) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if own == h.incarnation {
			h.foundation = foundation
		}
	}
}

func (h *handover[F]) latest() F {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.foundation
}
