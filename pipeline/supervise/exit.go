package supervise

import (
	"errors"
	"slices"
	"time"
)

// ended handles the end of an incarnation. The incarnation's own goroutine
// calls it once, as its last action.
func (s *Supervisor) ended(i *incarnation, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.abandoned.Load() {
		s.abandonedReturned(i, err)
		return
	}
	c, r := i.child, s.run // a run outlasts all incarnations that it did not abandon
	requested := c.state == Stopping
	class := classify(err, requested)
	if !requested {
		r.exited(c, class, err)
		return
	}
	r.reportStopped(c, class, err)
	if class == ClassNormal {
		err = nil
	}
	r.afterStop(c, err)
}

// abandonedReturned handles the late return of a stuck service. It is reported,
// and starts nothing.
func (s *Supervisor) abandonedReturned(i *incarnation, err error) {
	c := i.child
	s.abandoned[c.Name] = slices.DeleteFunc(s.abandoned[c.Name], func(other *incarnation) bool { return other == i })
	if len(s.abandoned[c.Name]) == 0 {
		delete(s.abandoned, c.Name)
	}
	s.events.add(Event{
		Kind: EventReturned, At: time.Now(), Supervisor: s.spec.Name, Child: c.Name, Incarnation: i.number,
		Class: classify(err, true), Err: err, Stack: stackIn(err),
	})
	if now := s.children.byName[c.Name]; now != nil && now.state == Stuck && len(s.abandoned[c.Name]) == 0 {
		if s.run == nil {
			now.state, now.since = Idle, time.Now()
			return
		}
		s.run.setState(now, GivenUp)
		s.run.continueStart()
	}
}

// reportStopped reports that a child stopped on request, and its error if it
// returned one.
func (r *run) reportStopped(c *child, class Class, err error) {
	if class != ClassNormal {
		r.reportFailure(c, class, err)
	}
	for _, name := range stuckChildren(err) {
		r.stuck = append(r.stuck, c.Name+"/"+name)
	}
	r.report(Event{Kind: EventStopped}, c)
}

// reportFailure records and reports a failure.
func (r *run) reportFailure(c *child, class Class, err error) {
	c.recordFailure(class, err, stackIn(err))
	r.report(Event{Kind: EventFailed, Class: class, Err: err, Stack: stackIn(err)}, c)
}

// stackIn returns the stack in an error, or "".
func stackIn(err error) string {
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		return string(panicked.Stack[:min(len(panicked.Stack), maxStack)])
	}
	return ""
}

// exited handles the end of a child that was not asked to stop.
func (r *run) exited(c *child, class Class, err error) {
	r.setState(c, Idle)
	switch {
	case class != ClassNormal:
		r.failed(c, class, err)
	case c.Restart == Permanent:
		r.report(Event{Kind: EventEnded, Class: class}, c)
		r.restart(c, class, errPermanentEnded)
	default:
		r.report(Event{Kind: EventEnded, Class: class}, c)
		r.retire(c)
	}
}

// failed handles a failure.
func (r *run) failed(c *child, class Class, err error) {
	r.reportFailure(c, class, err)
	if c.Restart == Temporary && (c.wasReady || !r.starting || r.s.spec.OnBreach != BreachEscalate) {
		r.retire(c)
		return
	}
	r.restart(c, class, err)
}

var errPermanentEnded = errors.New("permanent service ended")

// retire handles an end after which the child does not restart.
func (r *run) retire(c *child) {
	r.setState(c, Ended)
	if c.Restart == Temporary {
		r.forget(c)
	}
	if c.Significant && !r.stopping && r.s.endsAutomatically() {
		r.shutDown(ErrShutdown)
		return
	}
	r.continueStart()
}

// endsAutomatically reports whether the supervisor ends after a significant
// child ended.
func (s *Supervisor) endsAutomatically() bool {
	if s.spec.AutoShutdown == AllSignificant {
		for c := s.children.first; c != nil; c = c.next {
			if c.Significant && c.state != Ended {
				return false
			}
		}
	}
	return s.spec.AutoShutdown != Never
}
