package supervise

import (
	"fmt"
	"time"
)

// requestStop asks a child to stop within its shutdown time.
func (r *run) requestStop(c *child, then intent) {
	r.setState(c, Stopping)
	c.intent = then
	shared := r.stopping && r.s.spec.Strategy == Dynamic // one deadline for all
	if c.Shutdown != NoLimit && !shared {
		i := c.current
		transition := c.transitions
		c.timer = time.AfterFunc(c.Shutdown, func() { r.s.shutdownExpired(r, i, transition) })
	}
	c.current.cancel()
}

// shutdownExpired handles the end of a child's shutdown time. It reads the
// stack without the lock, since that is slow with many goroutines.
func (s *Supervisor) shutdownExpired(r *run, i *incarnation, transition int) {
	stack := Stack(incarnationFrame, i)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.child.transitions == transition {
		r.abandon(i.child, stack)
	}
}

// abandon stops waiting for a child that does not return.
func (r *run) abandon(c *child, stack string) {
	c.current.abandoned.Store(true)
	r.s.abandoned[c.Name] = append(r.s.abandoned[c.Name], c.current)
	r.setState(c, Stuck)
	err := fmt.Errorf("service has ignored the end of its context for %s", c.Shutdown)
	c.recordFailure(ClassStuck, err, stack)
	r.report(Event{Kind: EventStuck, Class: ClassStuck, Err: err, Stack: stack}, c)
	switch {
	case r.stopping:
		r.stuck = append(r.stuck, c.Name)
		r.resume()
	case c.intent == intentRemove, c.OnStuck == StuckReplace:
		r.afterStop(c, nil)
	case c.OnStuck == StuckEscalate:
		r.stuck = append(r.stuck, c.Name)
		r.shutDown(&StuckError{Supervisor: r.s.spec.Name, Children: []string{c.Name}})
	case c.OnStuck == StuckExit:
		go r.s.spec.Exit(fmt.Errorf("child %s in supervisor %s: %w", c.Name, r.s.spec.Name, err))
	case r.starting && c.intent == intentFail && !c.wasReady:
		r.stuck = append(r.stuck, c.Name)
		r.shutDown(&StartError{Supervisor: r.s.spec.Name, Child: c.Name, Class: ClassStuck, Err: err})
	default:
		r.resume()
	}
}

// afterStop continues after a child has stopped on request, or was abandoned;
// err is the error it returned, if any.
func (r *run) afterStop(c *child, err error) {
	then := c.intent
	r.setState(c, Idle)
	switch then {
	case intentFail:
		r.failed(c, ClassTimeout, &TimeoutError{After: c.StartTimeout, Err: err})
	case intentStop:
		r.setState(c, Stopped)
	case intentDisable:
		r.setState(c, Disabled)
	case intentStart:
		r.startInOrder(c)
	case intentRemove:
		r.forget(c)
	case intentIdle:
	}
	r.resume()
}

// continueStop stops the children in a group, as far as possible without
// waiting.
func (r *run) continueStop() {
	for r.stopTo != 0 {
		c := r.stopCursor
		if c == nil || c.position < r.stopTo {
			r.stopCursor, r.stopTo = nil, 0
			if r.stopping {
				r.finish()
			}
			r.continueStart()
			return
		}
		if c.state.alive() {
			r.requestStop(c, intentIdle)
		}
		if c.state == Stopping {
			return
		}
		r.stopCursor = c.previous
		if c.Restart == Temporary && c.state != Disabled && c.state != Stuck {
			r.forget(c)
		}
	}
}

// resume continues what waited for a child to stop.
func (r *run) resume() {
	switch {
	case r.stopping && r.s.spec.Strategy == Dynamic:
		if r.busyCount == 0 {
			r.finish()
		}
	case r.stopTo != 0:
		r.continueStop()
	default:
		r.continueStart()
	}
}

// forget removes a child from the supervisor, which then ignores the rest of
// its life.
func (r *run) forget(c *child) {
	if r.startCursor == c {
		r.startCursor = c.next
	}
	if r.stopCursor == c {
		r.stopCursor = c.previous
	}
	r.setState(c, Idle) // stops its timer
	r.s.children.remove(c)
}

// shutDown stops all children. Only the first reason is kept.
func (r *run) shutDown(reason error) {
	if r.stopping {
		return
	}
	r.stopping, r.failure = true, reason
	if r.s.spec.Strategy == Dynamic {
		r.stopAll()
		return
	}
	if r.stopTo == 0 {
		r.stopCursor = r.s.children.last
	}
	r.stopTo = 1 // the first position in a list
	r.continueStop()
}

// stopAll stops all children concurrently, with one deadline.
func (r *run) stopAll() {
	for c := r.s.children.first; c != nil; c = c.next {
		if c.state.alive() {
			r.requestStop(c, intentIdle)
		}
	}
	if r.busyCount == 0 {
		r.finish()
		return
	}
	r.deadline = time.AfterFunc(r.s.spec.Shutdown, func() { r.s.abandonAll(r) })
}

// abandonAll abandons the children in a dynamic supervisor that have not
// stopped within its shutdown time.
func (s *Supervisor) abandonAll(r *run) {
	for _, i := range s.overdue(r) {
		stack := Stack(incarnationFrame, i)
		s.mu.Lock()
		if c := i.child; c.current == i && c.state == Stopping {
			r.abandon(c, stack)
		}
		s.mu.Unlock()
	}
}

// overdue returns the incarnations that should have ended.
func (s *Supervisor) overdue(r *run) []*incarnation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var overdue []*incarnation
	if s.run == r {
		for c := s.children.first; c != nil; c = c.next {
			if c.state == Stopping {
				overdue = append(overdue, c.current)
			}
		}
	}
	return overdue
}

// finish lets Serve return. Only stuck children still run.
func (r *run) finish() {
	if r.s.run != r {
		return
	}
	for c := r.s.children.first; c != nil; c = c.next {
		if c.state != Stuck && c.state != Disabled {
			r.setState(c, Idle)
		}
	}
	if r.deadline != nil {
		r.deadline.Stop()
	}
	r.s.run = nil
	close(r.finished)
}
