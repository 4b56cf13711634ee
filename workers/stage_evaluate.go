package workers

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers/evaluate"
)

// evaluateStage turns results into states.
type evaluateStage struct {
	*shared
}

// evaluateJobs handles the jobs with an evaluator, which knows all definitions
// and states.
type evaluateJobs struct {
	*evaluateStage

	evaluator *evaluate.Evaluator
	clock     *resultClock
}

// supervisor:
//
//	evaluate           rest_for_one
//	├── mirror         follows definitions and states
//	└── children       dynamic
//	    ├── evaluate          evaluates results
//	    └── evaluate-recheck  enqueues checks between slots
func (s *evaluateStage) supervisor() (supervise.Child, error) {
	return stage[*evaluateJobs]{
		name: StageEvaluate, foundation: "mirror", open: s.open,
		pools: []stagePool[*evaluateJobs]{
			{topology.EvaluateConsumer(), func(l Limits) int { return l.Evaluations }, (*evaluateJobs).resultPool},
			{topology.RecheckConsumer(), nil, (*evaluateJobs).recheckPool},
		},
	}.supervisor(s.shared)
}

// open begins with an empty mirror, which is ready when it has all definitions
// and states.
func (s *evaluateStage) open(ctx context.Context, ready func(*evaluateJobs)) error {
	buckets, err := pipeline.Buckets(ctx, s.p, topology.States, topology.Monitors)
	if err != nil {
		return err
	}
	states, monitors := buckets[topology.States], buckets[topology.Monitors]
	clock := &resultClock{}
	evaluator, err := evaluate.New(evaluate.Config{
		Store: &stateStore{bucket: states}, Rechecker: &rechecker{p: s.p}, Logger: s.log,
		Horizon: func() time.Time { return clock.horizon(time.Now()) },
	})
	if err != nil {
		return err
	}
	jobs := &evaluateJobs{evaluateStage: s, evaluator: evaluator, clock: clock}
	group, ctx := errgroup.WithContext(ctx)
	haveStates, haveMonitors := make(chan struct{}), make(chan struct{})
	group.Go(func() error {
		return states.Watch(ctx, func(e pipeline.Entry) { jobs.observe(ctx, e) }, func() { close(haveStates) })
	})
	group.Go(func() error {
		return monitors.Watch(ctx, func(e pipeline.Entry) { jobs.define(ctx, e) }, func() { close(haveMonitors) })
	})
	group.Go(func() error {
		if !await(ctx, haveStates, haveMonitors) {
			return nil
		}
		if err := evaluator.Reconcile(ctx); err != nil {
			return err
		}
		ready(jobs)
		return nil
	})
	return group.Wait()
}

func (e *evaluateJobs) resultPool() pool.Config {
	evaluateBatch := handle(e.evaluator.Handle)
	return pool.Config{MaxUnsettled: manyUnsettled, Handler: func(ctx context.Context, d pipeline.Delivery) error {
		e.clock.observe(&d, time.Now())
		return evaluateBatch(ctx, d)
	}}
}

// manyUnsettled is how many messages may wait for a newer process, in streams
// that are bounded otherwise, without blocking other messages.
const manyUnsettled = 1 << 20

// await waits until all channels are closed. It returns false when ctx ended
// first.
func await(ctx context.Context, all ...<-chan struct{}) bool {
	for _, one := range all {
		select {
		case <-one:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (e *evaluateJobs) observe(ctx context.Context, entry pipeline.Entry) {
	if entry.Deleted {
		return // states are deleted by hand only, which takes effect at the next start
	}
	state, err := job.Decode[job.State](entry.Value)
	if errors.Is(err, job.ErrNewer) {
		e.evaluator.ObserveNewer(entry.Key)
		return
	}
	if err != nil {
		e.log.ErrorContext(ctx, "stored state cannot be read; its monitor starts without one", "monitor", entry.Key, "error", err)
		return
	}
	if err := e.evaluator.Observe(ctx, state, entry.Revision); err != nil {
		e.log.WarnContext(ctx, "result was not evaluated again; the next result corrects the state", "monitor", entry.Key, "error", err)
	}
}

func (e *evaluateJobs) define(ctx context.Context, entry pipeline.Entry) {
	name, ok := topology.CutMonitorKey(entry.Key)
	if !ok {
		return
	}
	if entry.Deleted {
		if err := e.evaluator.Undefine(ctx, name); err != nil {
			e.log.ErrorContext(ctx, "state of a removed monitor was not closed; the next start closes it", "monitor", name, "error", err)
		}
		return
	}
	monitor, err := job.Decode[job.Monitor](entry.Value)
	if errors.Is(err, job.ErrNewer) {
		e.evaluator.DefineNewer(name)
	}
	if err != nil {
		e.log.ErrorContext(ctx, "stored definition cannot be read", "monitor", name, "error", err)
		return
	}
	if err := e.evaluator.Define(monitor, period(monitor)); err != nil {
		e.log.ErrorContext(ctx, "stored definition cannot be used", "monitor", name, "error", err)
	}
}

// stateStore is the bucket for states as the evaluator uses it.
type stateStore struct {
	bucket *pipeline.Bucket
}

// Get reads a state; a monitor without one has revision 0.
func (s *stateStore) Get(ctx context.Context, monitor string) (job.State, uint64, error) {
	state, revision, err := pipeline.Read(ctx, s.bucket, monitor, job.Decode[job.State])
	if revision == 0 {
		state.Monitor = monitor
	}
	return state, revision, err
}

// Update writes a state if its revision is still the given one.
func (s *stateStore) Update(ctx context.Context, state job.State, revision uint64) (uint64, error) {
	return pipeline.Swap(ctx, s.bucket, state.Monitor, state, revision)
}
