package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Supervisor keeps its children running. It is a [Service] itself, so that
// supervisors form trees; it may serve again after it returned.
type Supervisor struct {
	spec    Spec
	serving atomic.Bool

	mu     sync.Mutex
	status []ChildStatus
}

// State is what a child is doing.
type State string

// The states.
const (
	Idle    State = "idle"    // not started yet, or stopped with its supervisor
	Running State = "running" // started; ready or not
	Waiting State = "waiting" // failed, to be started again after its back-off
	Ended   State = "ended"   // came to an end that is final for its kind
	Stuck   State = "stuck"   // was told to stop, and did not
)

// ChildStatus is what is known of a child.
type ChildStatus struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Ready is true once the child called [Ready], since it was last started.
	Ready bool `json:"ready"`
	// Since is when the state began, Restarts how often the child was started
	// again.
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	// LastClass and LastError tell of its last failure.
	LastClass Class  `json:"last_class,omitempty"`
	LastError string `json:"last_error,omitempty"`
	// Children are those of a child that is a supervisor.
	Children []ChildStatus `json:"children,omitempty"`
}

// New makes a supervisor. It starts with Serve. The error lists every problem
// of the spec.
func New(spec Spec) (*Supervisor, error) {
	spec = spec.withDefaults()
	if err := spec.validate(); err != nil {
		return nil, err
	}
	s := &Supervisor{spec: spec, status: make([]ChildStatus, len(spec.Children))}
	for i, c := range spec.Children {
		s.status[i] = ChildStatus{Name: c.Name, State: Idle}
	}
	return s, nil
}

// ErrServing is returned by a Serve that is called while another one runs.
var ErrServing = errors.New("already serving")

// BreachError is returned by [Supervisor.Serve] when failures came too fast: it
// wraps the last failure, and is one failure for the supervisor above.
type BreachError struct {
	Supervisor, Child string
	Class             Class
	Err               error
}

// Error tells who failed last, and how.
func (e *BreachError) Error() string {
	return fmt.Sprintf("supervisor %s gave up: too many restarts, last of %s (%s): %v", e.Supervisor, e.Child, e.Class, e.Err)
}

// Unwrap returns the last failure.
func (e *BreachError) Unwrap() error { return e.Err }

// StuckError is returned by [Supervisor.Serve] when children did not return in
// their shutdown time; their goroutines are still there.
type StuckError struct {
	Supervisor string
	Children   []string
}

// Error names the children.
func (e *StuckError) Error() string {
	return fmt.Sprintf("stop supervisor %s: children did not return: %v", e.Supervisor, e.Children)
}

// Serve starts the children in order and keeps them running until ctx ends;
// then it stops them in reverse and returns nil. The error is a [BreachError],
// a [StuckError] or [ErrServing].
func (s *Supervisor) Serve(ctx context.Context) error {
	if !s.serving.CompareAndSwap(false, true) {
		return fmt.Errorf("serve supervisor %s: %w", s.spec.Name, ErrServing)
	}
	defer s.serving.Store(false)
	r := &run{
		Supervisor: s, ctx: ctx, children: make([]*child, len(s.spec.Children)),
		// Each child has at most one life that has not been taken in, and one
		// restart that is due; a stuck one tells nobody.
		exits: make(chan exit), due: make(chan *child), over: make(chan struct{}),
	}
	defer close(r.over)
	for i, spec := range s.spec.Children {
		r.children[i] = &child{Child: spec, place: i}
	}
	return r.serve() //nolint:contextcheck // each child has a context of its own, which outlives ctx until its turn to stop
}

// Children tells the state of every child, and of theirs.
func (s *Supervisor) Children() []ChildStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := make([]ChildStatus, len(s.status))
	for i, c := range s.status {
		if nested, ok := s.spec.Children[i].Service.(interface{ Children() []ChildStatus }); ok {
			c.Children = nested.Children()
		}
		status[i] = c
	}
	return status
}

// child is a child during one Serve. It belongs to the loop.
type child struct {
	Child
	place   int
	state   State
	life    int  // counts starts; an exit of an earlier life is late
	asked   bool // this life was told to stop
	cancel  context.CancelFunc
	done    chan struct{} // closed when the present life has returned
	started time.Time
	curve   backoff.BackOff
	timer   *time.Timer
}

// exit is the end of one life of a child.
type exit struct {
	child *child
	life  int
	err   error
}

// run is one Serve of a supervisor. Its loop owns everything in it.
type run struct {
	*Supervisor
	ctx      context.Context //nolint:containedctx // lives exactly as long as the Serve whose argument it is
	children []*child
	exits    chan exit
	due      chan *child
	over     chan struct{}
	restarts []time.Time
	stuck    []string
}

func (r *run) serve() error {
	for _, c := range r.children {
		if r.ctx.Err() == nil {
			r.start(c)
		}
	}
	for {
		select {
		case <-r.ctx.Done():
			return r.stopAll()
		case e := <-r.exits:
			if err := r.ended(e); err != nil {
				return errors.Join(err, r.stopAll())
			}
		case c := <-r.due:
			if c.state == Waiting {
				r.restartGroup(c)
			}
		}
	}
}

// start begins a life of a child.
func (r *run) start(c *child) {
	// Children are stopped in their order, not all at once when ctx ends.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.ctx))
	c.cancel, c.done, c.started, c.asked = cancel, make(chan struct{}), time.Now(), false
	r.set(c, func(s *ChildStatus) {
		c.life++
		s.State, s.Ready = Running, false
	})
	life, done := c.life, c.done
	ctx = context.WithValue(ctx, readyKey{}, func() { r.ready(c.place, life) })
	go call(ctx, c.Service, func(err error) {
		cancel()
		close(done)
		select {
		case r.exits <- exit{child: c, life: life, err: err}:
		case <-r.over:
		}
	})
}

func (r *run) ready(place, life int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.children[place].life == life {
		r.status[place].Ready = true
	}
}

// set changes a child's state, in the loop's eyes and in everybody's.
func (r *run) set(c *child, change func(*ChildStatus)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	status := &r.status[c.place]
	before := status.State
	change(status)
	c.state = status.State
	if status.State != before || status.State == Running {
		status.Since = time.Now()
	}
}

// ended takes in the end of a life that nobody asked for. The error is that of
// a breach.
func (r *run) ended(e exit) error {
	c := e.child
	if e.life != c.life || c.state != Running {
		return nil // it was told to stop, and that has been dealt with
	}
	class := classify(e.err)
	if class != ClassNormal {
		r.report(c, class, e.err)
	}
	if c.Restart == Temporary || c.Restart == Transient && class == ClassNormal {
		r.set(c, func(s *ChildStatus) { s.State = Ended })
		return nil
	}
	if e.err == nil {
		e.err = ErrShutdown
	}
	if r.breached(time.Now()) {
		r.set(c, func(s *ChildStatus) { s.State = Idle })
		return &BreachError{Supervisor: r.spec.Name, Child: c.Name, Class: class, Err: e.err}
	}
	r.schedule(c)
	return nil
}

// report tells of a failure.
func (r *run) report(c *child, class Class, err error) {
	r.mu.Lock()
	r.status[c.place].LastClass, r.status[c.place].LastError = class, err.Error()
	r.mu.Unlock()
	log := r.spec.Logger.With("supervisor", r.spec.Name, "child", c.Name, "class", class)
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		log = log.With("stack", string(panicked.Stack))
	}
	log.ErrorContext(r.ctx, "child failed", "error", err)
}

// breached records a restart, and tells whether it is one too many within the
// window.
func (r *run) breached(now time.Time) bool {
	r.restarts = append(r.restarts, now)
	for len(r.restarts) > 0 && now.Sub(r.restarts[0]) > r.spec.Window {
		r.restarts = r.restarts[1:]
	}
	return len(r.restarts) > r.spec.Intensity.count
}

// schedule starts a child again after its back-off; nobody waits for it.
func (r *run) schedule(c *child) {
	if c.curve == nil || time.Since(c.started) >= stableAfter {
		c.curve = c.Backoff()
	}
	wait := max(0, c.curve.NextBackOff()) // a curve that has ended says Stop, a negative number
	r.set(c, func(s *ChildStatus) { s.State = Waiting })
	c.timer = time.AfterFunc(wait, func() {
		select {
		case r.due <- c:
		case <-r.over:
		}
	})
}

// restartGroup starts a child again, and with it whom the strategy names:
// stopped in reverse, started in order.
func (r *run) restartGroup(failed *child) {
	from, to := r.spec.Strategy.group(failed.place, len(r.children))
	var again []*child
	for place := to - 1; place >= from; place-- {
		c := r.children[place]
		if c == failed {
			again = append(again, c)
			continue
		}
		r.stop(c)
		if c.Restart != Temporary && c.state != Stuck { // OTP: temporary siblings are stopped and not started again
			again = append(again, c)
		}
	}
	for _, c := range slices.Backward(again) {
		r.mu.Lock()
		r.status[c.place].Restarts++
		r.mu.Unlock()
		r.start(c)
	}
}

// stop ends a child, and waits for it no longer than its shutdown time.
func (r *run) stop(c *child) {
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.state != Running {
		if c.state == Waiting {
			r.set(c, func(s *ChildStatus) { s.State = Idle })
		}
		return
	}
	c.asked = true
	c.cancel()
	patience := time.NewTimer(c.Shutdown)
	defer patience.Stop()
	for {
		select {
		case <-c.done:
			r.set(c, func(s *ChildStatus) { s.State, s.Ready = Idle, false })
			return
		case e := <-r.exits: // of this child or of another one, which is on its way down too
			r.late(e)
		case <-patience.C:
			r.set(c, func(s *ChildStatus) { s.State, s.LastClass = Stuck, ClassStuck })
			r.stuck = append(r.stuck, c.Name)
			r.spec.Logger.ErrorContext(r.ctx, "child does not return", "supervisor", r.spec.Name, "child", c.Name, "shutdown", c.Shutdown)
			return
		}
	}
}

// late takes in an end that comes while a child is being stopped. Of one that
// was not told to stop itself it is a failure at the wrong time: it is counted,
// and the child started again when things are quiet.
func (r *run) late(e exit) {
	c := e.child
	class := classify(e.err)
	if class == ClassPanic || class == ClassGoexit || class == ClassError && !c.asked {
		r.report(c, class, e.err)
	}
	switch {
	case e.life != c.life || c.state != Running || c.asked:
	case c.Restart == Permanent || c.Restart == Transient && class != ClassNormal:
		r.breached(time.Now()) // a breach shows at the next failure
		r.schedule(c)
	default:
		r.set(c, func(s *ChildStatus) { s.State = Ended })
	}
}

// stopAll stops every child in reverse order.
func (r *run) stopAll() error {
	for _, c := range slices.Backward(r.children) {
		r.stop(c)
	}
	if len(r.stuck) > 0 {
		return &StuckError{Supervisor: r.spec.Name, Children: r.stuck}
	}
	return nil
}
