package workers

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers/evaluate"
)

// evaluateStage is the branch that turns results into states: an evaluator, fed by the
// definitions, the states and the results.
type evaluateStage struct {
	*shared

	evaluator *evaluate.Evaluator // what the part "mirror" makes, for the pool
}

// branch:
//
//	evaluate           rest_for_one
//	├── mirror         knows all definitions and states
//	└── parts          dynamic
//	    ├── evaluate
//	    └── evaluate-recheck  orders checks out of turn
func (j *evaluateStage) branch() (supervise.Child, error) {
	return j.shared.branch(StageEvaluate,
		[]supervise.Child{j.child("mirror", j.mirror)},
		[]supervise.Child{j.pool(topology.EvaluateConsumer(), j.config), j.pool(topology.RecheckConsumer(), j.recheckPool)})
}

// mirror follows definitions and states until ctx ends. It starts anew with an
// empty mirror, and is ready when it knows all that there are.
func (j *evaluateStage) mirror(ctx context.Context) error {
	states, err := j.p.Bucket(ctx, topology.States)
	if err != nil {
		return err
	}
	monitors, err := j.p.Bucket(ctx, topology.Monitors)
	if err != nil {
		return err
	}
	evaluator, err := evaluate.New(evaluate.Config{Store: &stateStore{bucket: states}, Rechecker: &rechecker{p: j.p}, Logger: j.log})
	if err != nil {
		return err
	}
	whole := ctx // whose readiness it is
	group, ctx := errgroup.WithContext(ctx)
	knowStates, knowMonitors := make(chan struct{}), make(chan struct{})
	group.Go(func() error {
		return states.Watch(ctx, func(e pipeline.Entry) { j.observe(ctx, evaluator, e) }, func() { close(knowStates) })
	})
	group.Go(func() error {
		return monitors.Watch(ctx, func(e pipeline.Entry) { j.define(ctx, evaluator, e) }, func() { close(knowMonitors) })
	})
	group.Go(func() error {
		if !await(ctx, knowStates, knowMonitors) {
			return nil
		}
		if err := evaluator.Reconcile(ctx); err != nil {
			return err
		}
		j.evaluator = evaluator
		supervise.Ready(whole)
		return nil
	})
	return group.Wait()
}

func (j *evaluateStage) config() pool.Config {
	config, evaluator := j.base, j.evaluator
	config.Stage, config.Backoff = StageEvaluate, retryBackoff()
	config.MaxUnsettled = manyUnsettled
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error {
		results, err := job.Decode[job.Results](d.Body)
		if err != nil {
			return job.DeadFor(err)
		}
		return evaluator.Handle(ctx, results)
	}
	return config
}

// manyUnsettled is how many messages may wait for a newer process, in streams
// that are bounded otherwise, without being in the way of the others.
const manyUnsettled = 1 << 20

// await waits for all channels to be closed, and reports whether they were
// before ctx ended.
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

func (j *evaluateStage) observe(ctx context.Context, evaluator *evaluate.Evaluator, e pipeline.Entry) {
	if e.Deleted {
		return // we never delete a state; whoever did wants it forgotten at the next start
	}
	state, err := job.Decode[job.State](e.Value)
	if errors.Is(err, job.ErrNewer) {
		evaluator.ObserveNewer(e.Key)
		return
	}
	if err != nil {
		j.log.ErrorContext(ctx, "stored state cannot be read; its monitor begins anew", "monitor", e.Key, "error", err)
		return
	}
	if err := evaluator.Observe(ctx, state, e.Revision); err != nil {
		j.log.WarnContext(ctx, "judge a result again; the next one makes good for it", "monitor", e.Key, "error", err)
	}
}

func (j *evaluateStage) define(ctx context.Context, evaluator *evaluate.Evaluator, e pipeline.Entry) {
	name, ok := topology.CutMonitorKey(e.Key)
	if !ok {
		return
	}
	if e.Deleted {
		if err := evaluator.Undefine(ctx, name); err != nil {
			j.log.ErrorContext(ctx, "close the state of a removed monitor; the next start does", "monitor", name, "error", err)
		}
		return
	}
	monitor, err := job.Decode[job.Monitor](e.Value)
	if errors.Is(err, job.ErrNewer) {
		evaluator.DefineNewer(name)
	}
	if err != nil {
		j.log.ErrorContext(ctx, "stored definition cannot be read", "monitor", name, "error", err)
		return
	}
	if err := evaluator.Define(monitor, period(monitor)); err != nil {
		j.log.ErrorContext(ctx, "stored definition cannot be used", "monitor", name, "error", err)
	}
}

// stateStore is the bucket of states as the evaluator sees it.
type stateStore struct {
	bucket *pipeline.Bucket
}

// Get reads a state; a monitor without one has revision 0.
func (s *stateStore) Get(ctx context.Context, monitor string) (job.State, uint64, error) {
	found, err := s.bucket.Get(ctx, monitor)
	if errors.Is(err, pipeline.ErrNotFound) {
		return job.State{Monitor: monitor}, 0, nil
	}
	if err != nil {
		return job.State{}, 0, err
	}
	state, err := job.Decode[job.State](found.Value)
	return state, found.Revision, err
}

// Update writes a state if its revision is still the given one.
func (s *stateStore) Update(ctx context.Context, state job.State, revision uint64) (uint64, error) {
	body, err := job.Encode(state)
	if err != nil {
		return 0, err
	}
	next, err := s.bucket.CompareAndSwap(ctx, state.Monitor, body, revision)
	if errors.Is(err, pipeline.ErrConflict) {
		return 0, fmt.Errorf("%w: %w", evaluate.ErrConflict, err)
	}
	return next, err
}
