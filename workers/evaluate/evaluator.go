package evaluate

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// Store holds the states.
type Store interface {
	// Get reads a monitor's state and its revision. Without one the state is
	// zero, and so is the revision; that is no error.
	Get(ctx context.Context, monitor string) (job.State, uint64, error)
	// Update writes a state if its revision is still the given one, and returns
	// the new revision; else the error is [job.ErrConflict].
	Update(ctx context.Context, state job.State, revision uint64) (uint64, error)
}

// Rechecker orders checks out of turn.
type Rechecker interface {
	// Recheck has a monitor checked at a location at a time soon to come.
	// Ordering the same again is no error.
	Recheck(ctx context.Context, monitor, location string, at time.Time) error
}

// Config says what an evaluator works on.
type Config struct {
	Store Store
	// Rechecker, when set, orders the checks that thresholds ask for; without
	// one, the next slot is waited for.
	Rechecker Rechecker
	// Now gives the time at which a monitor's removal is dated. Defaults to
	// time.Now.
	Now func() time.Time
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Evaluator judges results against a store. It keeps a mirror of definitions
// and states, fed by their owner, so that a healthy result costs a look into a
// map and no more. It is safe for concurrent use.
type Evaluator struct {
	config  Config
	seed    maphash.Seed
	stripes [stripes]stripe
	newer   newer
}

// stripes is how many parts the mirror has, each under a lock of its own, so
// that results of different monitors seldom meet.
const stripes = 64

// New makes an evaluator without definitions. The error says what of the
// configuration is missing.
func New(config Config) (*Evaluator, error) {
	if config.Store == nil {
		return nil, errors.New("make evaluator: found no store")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Evaluator{config: config, seed: maphash.MakeSeed()}
	e.newer.definitions, e.newer.states = map[string]struct{}{}, map[string]struct{}{}
	for i := range e.stripes {
		e.stripes[i].states, e.stripes[i].known, e.stripes[i].rhythms = map[string]*job.State{}, map[rhythm]uint32{}, make([]rhythm, 1)
	}
	return e, nil
}

func (e *Evaluator) stripe(name string) *stripe {
	return &e.stripes[maphash.String(e.seed, name)%stripes]
}

// Define takes in a definition or its change. period is the time from slot to
// slot. The error is that of a definition that cannot be encoded.
func (e *Evaluator) Define(m job.Monitor, period time.Duration) error {
	encoded, err := job.Encode(m)
	if err != nil {
		return fmt.Errorf("define %s: %w", m.Name, err)
	}
	s := e.stripe(m.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.define(&m, rhythm{period: period, alert: earliestAlert(m.Policy), votes: m.MultiLocation()}, encoded)
	e.newer.set(e.newer.definitions, m.Name, false)
	return nil
}

// Defined returns the definition of a monitor, and whether there is one.
func (e *Evaluator) Defined(name string) (Monitor, bool) {
	s := e.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.find(name)
	if !ok || !known.defined() {
		return Monitor{}, false
	}
	return known.monitor(), true
}

// Undefine takes in the removal of a monitor, and ends its incident if it has
// one. The error is the store's; [Evaluator.Reconcile] does later what could
// not be done.
func (e *Evaluator) Undefine(ctx context.Context, name string) error {
	e.newer.set(e.newer.definitions, name, false)
	s := e.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.find(name)
	if !ok {
		return nil
	}
	known.undefine()
	return e.remove(ctx, known)
}

// remove writes the state of a monitor that is no more.
func (e *Evaluator) remove(ctx context.Context, known known) error {
	if known.revision > 0 {
		at := e.config.Now().UTC().Truncate(time.Second)
		if _, err := e.swap(ctx, known, func(state job.State) Change { return Remove(state, at) }); err != nil {
			return fmt.Errorf("remove state of %s: %w", known.name, err)
		}
	}
	known.forget()
	return nil
}

// Observe takes in a state that somebody wrote, maybe ourselves. A good result
// that we have let pass because all was well, as far as we knew, is judged now:
// another evaluator counted a failure before it, or a miss, of which we hear
// only here. The error is the store's; the next result makes good for it.
func (e *Evaluator) Observe(ctx context.Context, state job.State, revision uint64) error {
	s := e.stripe(state.Monitor)
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.make(state.Monitor)
	if revision <= known.revision {
		return nil
	}
	e.newer.set(e.newer.states, state.Monitor, false)
	passed := known.passed(&state)
	known.setState(fresh(state), revision)
	if len(passed) == 0 || !known.defined() || known.healthy() {
		return nil
	}
	monitor := known.monitor()
	for _, good := range passed {
		if _, err := e.swap(ctx, known, func(state job.State) Change { return Step(state, good, monitor) }); err != nil {
			return err
		}
	}
	return nil
}

// Reconcile ends the incidents of monitors that were removed while nobody
// looked. Call it when all definitions and states were taken in.
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
		if known := s.at(id, string(s.monitors.Name(id))); !known.defined() && !e.newer.has(known.name) {
			err = e.remove(ctx, known)
		}
		return err == nil
	})
	return err
}

// Handle judges a batch of results. When it returns nil, every state that they
// change is stored. After an error the batch is to be handled again; what was
// stored already is not changed by that. An error that wraps [job.ErrNewer] says
// that some are for a newer evaluator; the others are judged.
func (e *Evaluator) Handle(ctx context.Context, batch job.Results) error {
	var left error
	for i := range batch.Results {
		err := e.judge(ctx, &batch.Results[i])
		if errors.Is(err, job.ErrNewer) {
			left = err
			continue
		}
		if err != nil {
			return fmt.Errorf("judge %s: %w", batch.Results[i].Monitor, err)
		}
	}
	return left
}

func (e *Evaluator) judge(ctx context.Context, result *job.Result) error {
	if err := e.Knows(result.Monitor); err != nil {
		return err
	}
	s := e.stripe(result.Monitor)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.find(result.Monitor)
	if !ok || !known.defined() {
		e.config.Logger.DebugContext(ctx, "result of a monitor that is not defined", "monitor", result.Monitor)
		return nil
	}
	if known.pass(result) {
		return nil // by far the most results
	}
	monitor := known.monitor()
	change, err := e.swap(ctx, known, func(state job.State) Change {
		return Step(known.recall(state, &monitor), *result, monitor)
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
	if err := e.config.Rechecker.Recheck(ctx, result.Monitor, location, change.Recheck); err != nil { // its next slot comes anyway
		e.config.Logger.WarnContext(ctx, "order recheck", "monitor", result.Monitor, "error", err)
	}
	return nil
}

// maxTries is how often a lost swap is tried again before the whole batch is.
const maxTries = 10

// swap steps the mirrored state and stores what came out. Whoever loses
// against another evaluator reads what that one wrote, and decides again.
//
// It holds the stripe's lock while it writes, so results of one monitor are
// judged one after the other. Writes are rare: a state changes when a monitor
// does.
func (e *Evaluator) swap(ctx context.Context, known known, step func(job.State) Change) (Change, error) {
	state, revision, err := e.stored(ctx, known)
	if err != nil {
		return Change{}, err
	}
	for range maxTries {
		change := step(state)
		if !change.Write {
			if revision > 0 {
				known.setState(change.State, revision)
			}
			return change, nil
		}
		next, err := e.config.Store.Update(ctx, change.State, revision)
		if err == nil {
			known.setState(change.State, next)
			return change, nil
		}
		if !errors.Is(err, job.ErrConflict) {
			return Change{}, err
		}
		if state, revision, err = e.config.Store.Get(ctx, known.name); err != nil {
			return Change{}, err
		}
		known.setState(state, revision)
	}
	return Change{}, fmt.Errorf("store state: %w, %d times", job.ErrConflict, maxTries)
}

// stored is the state of a monitor, and its revision; both zero when it has none.
func (e *Evaluator) stored(ctx context.Context, known known) (job.State, uint64, error) {
	if state := known.state(); state != nil {
		return *state, known.revision, nil
	}
	if known.revision == 0 {
		return job.State{}, 0, nil
	}
	state, revision, err := e.config.Store.Get(ctx, known.name)
	return fresh(state), revision, err
}
