package evaluate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// Store holds states.
type Store interface {
	// Get reads a monitor's state and its revision. A missing state is zero, with
	// revision zero, and is no error.
	Get(ctx context.Context, monitor string) (job.State, uint64, error)
	// Update writes a state if its revision is still the given one, and returns
	// the new revision; otherwise the error is [job.ErrConflict].
	Update(ctx context.Context, state job.State, revision uint64) (uint64, error)
}

// Rechecker schedules checks before the next slot.
type Rechecker interface {
	// Recheck has a monitor checked at a location at a time. Repeating the call
	// is no error.
	Recheck(ctx context.Context, monitor, location string, at time.Time) error
}

// Config configures an [Evaluator].
type Config struct {
	Store Store
	// Rechecker schedules early checks; without one, thresholds wait for the next
	// slot.
	Rechecker Rechecker
	// Now is the time for removals. Defaults to time.Now.
	Now func() time.Time
	// Horizon, when set, returns the latest time that a slot can have, zero if that
	// is unknown. A later one in a state is from before the clock was set back.
	Horizon func() time.Time
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Evaluator evaluates results on a store. It remembers definitions and states, so
// that a plain success costs one map lookup. It is safe for concurrent use.
type Evaluator struct {
	config  Config
	seed    maphash.Seed
	stripes [stripes]stripe
	newer   newerVersions
}

// stripes is how many parts the memory has, each with its own lock, so that
// results for different monitors seldom wait for each other.
const stripes = 64

// New returns an evaluator without definitions. The error names what is missing in
// the configuration.
func New(config Config) (*Evaluator, error) {
	if config.Store == nil {
		return nil, errors.New("create evaluator: found no store")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	e := &Evaluator{config: config, seed: maphash.MakeSeed()}
	e.newer.definitions, e.newer.states = map[string]struct{}{}, map[string]struct{}{}
	for i := range e.stripes {
		e.stripes[i].states, e.stripes[i].profileIDs, e.stripes[i].profiles = map[string]*job.State{}, map[profile]uint32{}, make([]profile, 1)
	}
	return e, nil
}

func (e *Evaluator) stripe(name string) *stripe {
	return &e.stripes[maphash.String(e.seed, name)%stripes]
}

// Define adds or replaces a definition. period is the time between slots. The
// error reports a definition that cannot be encoded.
func (e *Evaluator) Define(m job.Monitor, period time.Duration) error {
	encoded, err := job.Encode(m)
	if err != nil {
		return fmt.Errorf("define %s: %w", m.Name, err)
	}
	s := e.stripe(m.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.define(&m, profile{period: period, alert: earliestAlert(m.Policy), multiLocation: m.MultiLocation()}, encoded)
	e.newer.set(e.newer.definitions, m.Name, false)
	return nil
}

// Defined returns a monitor's definition, and whether there is one.
func (e *Evaluator) Defined(name string) (Monitor, bool) {
	s := e.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.find(name)
	if !ok || !k.defined() {
		return Monitor{}, false
	}
	return k.monitor(), true
}

// Undefine removes a definition, and ends the monitor's incidents. The error is the
// store's; [Evaluator.Reconcile] repeats what failed.
func (e *Evaluator) Undefine(ctx context.Context, name string) error {
	e.newer.set(e.newer.definitions, name, false)
	s := e.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.find(name)
	if !ok {
		return nil
	}
	k.undefine()
	return e.remove(ctx, k)
}

// remove writes the state of a removed monitor.
func (e *Evaluator) remove(ctx context.Context, k entry) error {
	if k.revision > 0 {
		at := e.config.Now().UTC().Truncate(time.Second)
		if _, err := e.apply(ctx, k, func(state job.State) Change { return Remove(state, at) }); err != nil {
			return fmt.Errorf("remove state of %s: %w", k.name, err)
		}
	}
	k.forget()
	return nil
}

// Observe receives a state that any evaluator wrote. Successes that were skipped
// because the monitor seemed healthy are evaluated now if another evaluator counted
// a failure or a miss before them. The error is the store's; the next result
// corrects what failed.
func (e *Evaluator) Observe(ctx context.Context, state job.State, revision uint64) error {
	s := e.stripe(state.Monitor)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.ensure(state.Monitor)
	if revision <= k.revision {
		return nil
	}
	e.newer.set(e.newer.states, state.Monitor, false)
	skipped := k.skippedResults(&state, e.horizon())
	k.setState(withoutLastUp(state), revision)
	if len(skipped) == 0 || !k.defined() || k.healthy() {
		return nil
	}
	monitor := k.monitor()
	for _, result := range skipped {
		if _, err := e.apply(ctx, k, func(state job.State) Change { return Step(state, result, monitor) }); err != nil {
			return err
		}
	}
	return nil
}

// Reconcile ends the incidents of monitors that were removed while no evaluator
// ran. Call it after all definitions and states were received.
func (e *Evaluator) Reconcile(ctx context.Context) error {
	for i := range e.stripes {
		if err := e.reconcile(ctx, &e.stripes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Evaluator) reconcile(ctx context.Context, s *stripe) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	s.monitors.All(func(id compact.ID) bool {
		if k := s.at(id, string(s.monitors.Name(id))); !k.defined() && !e.newer.has(k.name) {
			err = e.remove(ctx, k)
		}
		return err == nil
	})
	return err
}

// Handle evaluates a batch of results. When it returns nil, every changed state is
// stored. After an error the batch has to be handled again, which does not change
// what is already stored. An error that wraps [job.ErrNewer] reports that some
// results need a newer evaluator; the others were evaluated.
func (e *Evaluator) Handle(ctx context.Context, batch job.Results) error {
	var left error
	for i := range batch.Results {
		err := e.evaluate(ctx, &batch.Results[i])
		if errors.Is(err, job.ErrNewer) {
			left = err
			continue
		}
		if err != nil {
			return fmt.Errorf("evaluate %s: %w", batch.Results[i].Monitor, err)
		}
	}
	return left
}

func (e *Evaluator) evaluate(ctx context.Context, result *job.Result) error {
	if err := e.Supports(result.Monitor); err != nil {
		return err
	}
	s := e.stripe(result.Monitor)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.find(result.Monitor)
	if !ok || !k.defined() {
		e.config.Logger.DebugContext(ctx, "result ignored: its monitor is not defined", "monitor", result.Monitor)
		return nil
	}
	e.forgetFuture(k, result)
	if k.skip(result) {
		return nil // by far most results
	}
	monitor, horizon := k.monitor(), e.horizon()
	change, err := e.apply(ctx, k, func(state job.State) Change {
		state = setBack(state, horizon, result.Slot.Add(-time.Second))
		return Step(k.withSkipped(state, &monitor), *result, monitor)
	})
	if err != nil {
		return err
	}
	for i := range change.Events {
		e.config.Logger.InfoContext(ctx, "monitor changed", "monitor", result.Monitor, "condition", change.Events[i].Incident.Condition, "event", change.Events[i].Kind)
	}
	if e.config.Rechecker == nil || change.Recheck.IsZero() {
		return nil
	}
	location := monitor.CheckLocations()[0]
	if monitor.MultiLocation() {
		location = result.Location
	}
	if err := e.config.Rechecker.Recheck(ctx, result.Monitor, location, change.Recheck); err != nil {
		e.config.Logger.WarnContext(ctx, "recheck was not scheduled; the next slot decides", "monitor", result.Monitor, "error", err)
	}
	return nil
}

// maxTries limits repeated swaps; after that the whole batch is repeated.
const maxTries = 10

// apply steps the remembered state and stores the result. On a conflict it reads
// the other evaluator's state and steps that.
//
// It holds the stripe's lock while it writes, so that results for one monitor are
// evaluated one after the other. Writes are rare.
func (e *Evaluator) apply(ctx context.Context, k entry, step func(job.State) Change) (Change, error) {
	state, revision, err := e.current(ctx, k)
	if err != nil {
		return Change{}, err
	}
	for range maxTries {
		change := step(state)
		if !change.Write {
			if revision > 0 {
				k.setState(change.State, revision)
			}
			return change, nil
		}
		next, err := e.config.Store.Update(ctx, change.State, revision)
		if err == nil {
			k.setState(change.State, next)
			return change, nil
		}
		if !errors.Is(err, job.ErrConflict) {
			return Change{}, err
		}
		if state, revision, err = e.config.Store.Get(ctx, k.name); err != nil {
			return Change{}, err
		}
		k.setState(state, revision)
	}
	return Change{}, fmt.Errorf("store state: %w, %d times", job.ErrConflict, maxTries)
}

// current is a monitor's state and revision, both zero for none.
func (e *Evaluator) current(ctx context.Context, k entry) (job.State, uint64, error) {
	if state := k.state(); state != nil {
		return *state, k.revision, nil
	}
	if k.revision == 0 {
		return job.State{}, 0, nil
	}
	state, revision, err := e.config.Store.Get(ctx, k.name)
	return withoutLastUp(state), revision, err
}
