package supervise

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Supervisor keeps its children running. It is a [Service], so supervisors form
// trees. It may serve again after it returned, and then starts the children in
// its spec again.
//
// Its methods are safe for concurrent use, also by its own children. Only Start
// and Stop block.
type Supervisor struct {
	spec   Spec
	events *eventQueue

	mu sync.Mutex
	// run is the current Serve, nil if there is none. children belong to it, or
	// to the last one.
	run      *run
	children list
	// disabled holds the names of children that operators disabled.
	disabled map[string]bool
	// abandoned holds stuck incarnations, by child name, until they return.
	abandoned map[string][]*incarnation

	background *background
}

// New returns a supervisor for a spec. It starts with [Supervisor.Serve] or
// [Supervisor.Start]. The error lists every problem in the spec.
func New(spec Spec) (*Supervisor, error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	unused := spec.Logger == nil && spec.Events == nil
	spec = spec.withDefaults()
	s := &Supervisor{
		spec: spec, events: &eventQueue{logger: spec.Logger, hook: spec.Events, unused: unused},
		children: list{byName: map[string]*child{}}, disabled: map[string]bool{}, abandoned: map[string][]*incarnation{},
	}
	s.resetChildren()
	return s, nil
}

// resetChildren replaces the list with the children in the spec.
func (s *Supervisor) resetChildren() {
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
		s.children.pushBack(c)
	}
}

// self identifies supervisors, and types that embed one.
func (s *Supervisor) self() *Supervisor { return s }

// ErrServing is returned by Serve and Start while the supervisor serves.
var ErrServing = errors.New("already serving")

// Serve starts the children in order and keeps them running until ctx ends;
// then it stops them in reverse order and returns nil. It calls [Ready] when
// all children are ready for the first time. Under a strategy without
// dependencies, children that are parked or wait for an unavailable dependency
// do not delay that.
//
// The error is a [StartError], a [BreachError], a [StuckError], or several
// joined; [ErrShutdown] after an automatic shutdown; or [ErrServing].
func (s *Supervisor) Serve(ctx context.Context) error {
	r, err := s.begin(ctx)
	if err != nil {
		return err
	}
	return s.serve(ctx, r)
}

// serve waits until a run has finished.
func (s *Supervisor) serve(ctx context.Context, r *run) error {
	release := context.AfterFunc(ctx, func() { s.stopRun(r) })
	defer release()
	select {
	case <-r.started:
		Ready(ctx)
		<-r.finished
	case <-r.finished:
	}
	if err := s.events.flush(); err != nil {
		s.spec.Logger.WarnContext(ctx, "supervisor ended before all events were delivered", "supervisor", s.spec.Name, "error", err)
	}
	return r.result()
}

// begin starts a run. Its first child is started before begin returns; each
// child has its own goroutine.
func (s *Supervisor) begin(ctx context.Context) (*run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		return nil, fmt.Errorf("serve supervisor %s: %w", s.spec.Name, ErrServing)
	}
	s.resetChildren()
	// The end of ctx must stop children in order, not all at once.
	r := &run{s: s, base: context.WithoutCancel(ctx), starting: true, started: make(chan struct{}), finished: make(chan struct{})}
	r.startCursor = s.children.first
	s.run = r
	if s.spec.Strategy == Dynamic {
		for c := s.children.first; c != nil; c = c.next {
			r.start(c)
		}
	}
	r.continueStart()
	return r, nil
}

// stopRun begins to stop a run.
func (s *Supervisor) stopRun(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.shutDown(nil)
}

// Children returns the state of every child, including nested ones.
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
	for i, below := range nested { // without holding the lock, since each has its own
		status[i].Strategy, status[i].Children = below.spec.Strategy.String(), below.Children()
	}
	return status
}
