package supervise

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Supervisor keeps its children running. It is a [Service] itself, so that
// supervisors form trees; it may serve again after it returned, which starts
// the children of its spec anew.
//
// Its methods are safe for concurrent use, also by its own children, and none
// but Start and Stop waits for anything.
type Supervisor struct {
	spec   Spec
	events *bulletin

	mu sync.Mutex
	// run is the Serve in course, nil if there is none. children are its, or
	// those of the last.
	run      *run
	children list
	// disabled holds the names of children that operators want down.
	disabled map[string]bool
	// left holds lives that were given up as stuck, by the child's name, until
	// they return.
	left map[string][]*life

	background *background
}

// New makes a supervisor. It starts with [Supervisor.Serve] or
// [Supervisor.Start]. The error lists every problem of the spec.
func New(spec Spec) (*Supervisor, error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	deaf := spec.Logger == nil && spec.Events == nil
	spec = spec.withDefaults()
	s := &Supervisor{
		spec: spec, events: &bulletin{log: spec.Logger, hook: spec.Events, deaf: deaf},
		children: list{byName: map[string]*child{}}, disabled: map[string]bool{}, left: map[string][]*life{},
	}
	s.fill()
	return s, nil
}

// fill makes the list anew from the spec.
func (s *Supervisor) fill() {
	before := s.children
	s.children = list{byName: make(map[string]*child, len(s.spec.Children))}
	now := time.Now()
	for _, spec := range s.spec.Children {
		c := &child{Child: spec, state: Idle, since: now}
		if known := before.byName[c.Name]; known != nil {
			c.inherit(known)
		}
		if s.disabled[c.Name] {
			c.state = Disabled
		}
		s.children.append(c)
	}
}

// self marks supervisors, and what embeds one.
func (s *Supervisor) self() *Supervisor { return s }

// ErrServing is returned by a Serve or Start while the supervisor serves.
var ErrServing = errors.New("already serving")

// Serve starts the children in order and keeps them running until ctx ends;
// then it stops them in reverse and returns nil. It calls [Ready] when all of
// them are ready for the first time; children that do not stand on one another
// may also be waiting by then for what is away, or parked.
//
// The error is a [StartError], a [BreachError], a [StuckError], or several of
// them joined; [ErrShutdown] after an automatic shutdown; or [ErrServing].
func (s *Supervisor) Serve(ctx context.Context) error {
	r, err := s.begin(ctx)
	if err != nil {
		return err
	}
	return s.serve(ctx, r)
}

// serve waits for the end of a run.
func (s *Supervisor) serve(ctx context.Context, r *run) error {
	release := context.AfterFunc(ctx, func() { s.end(r) })
	defer release()
	select {
	case <-r.up:
		Ready(ctx)
		<-r.finished
	case <-r.finished:
	}
	if err := s.events.flush(); err != nil {
		s.spec.Logger.WarnContext(ctx, "supervisor ends with events untold", "supervisor", s.spec.Name, "error", err)
	}
	return r.result()
}

// begin starts a run. Its first child starts before begin returns, in a
// goroutine of its own as all do.
func (s *Supervisor) begin(ctx context.Context) (*run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		return nil, fmt.Errorf("serve supervisor %s: %w", s.spec.Name, ErrServing)
	}
	s.fill()
	// Children are stopped in their order, not all at once when ctx ends.
	r := &run{s: s, base: context.WithoutCancel(ctx), first: true, up: make(chan struct{}), finished: make(chan struct{})}
	r.cursor = s.children.first
	s.run = r
	if s.spec.Strategy == Dynamic {
		for c := s.children.first; c != nil; c = c.next {
			r.start(c)
		}
	}
	r.advance()
	return r, nil
}

// end begins the stop of a run.
func (s *Supervisor) end(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.end(nil)
}

// Children tells the state of every child, and of theirs.
func (s *Supervisor) Children() []ChildStatus {
	s.mu.Lock()
	var status []ChildStatus
	nested := map[int]*Supervisor{}
	for c := s.children.first; c != nil; c = c.next {
		if below := c.supervisor(); below != nil {
			nested[len(status)] = below
		}
		status = append(status, c.status())
	}
	s.mu.Unlock()
	for i, below := range nested { // outside the lock, since theirs is another
		status[i].Strategy, status[i].Children = below.spec.Strategy.String(), below.Children()
	}
	return status
}

// Name is the name of the spec.
func (s *Supervisor) Name() string { return s.spec.Name }

// Strategy is the strategy of the spec.
func (s *Supervisor) Strategy() Strategy { return s.spec.Strategy }
