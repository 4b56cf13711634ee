package supervise

import (
	"errors"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// ended takes in the end of a life. It is called once for each, by the life's
// own goroutine, as the last thing that it does.
func (s *Supervisor) ended(l *life, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.left.Load() {
		s.returned(l, err)
		return
	}
	c, r := l.child, s.run // which lasts as long as any life that was not given up
	asked := c.state == Stopping
	class := classify(err, asked)
	if !asked {
		r.exited(c, class, err)
		return
	}
	r.tellStopped(c, class, err)
	if class == ClassNormal {
		err = nil
	}
	r.stopped(c, err)
}

// returned takes in that a service returned which had been given up. It is
// told, and nothing else comes of it.
func (s *Supervisor) returned(l *life, err error) {
	c := l.child
	s.left[c.Name] = slices.DeleteFunc(s.left[c.Name], func(other *life) bool { return other == l })
	if len(s.left[c.Name]) == 0 {
		delete(s.left, c.Name)
	}
	s.events.put(Event{
		Kind: EventReturned, At: time.Now(), Supervisor: s.spec.Name, Child: c.Name, Incarnation: l.number,
		Class: classify(err, true), Err: err, Stack: stackIn(err),
	})
	if now := s.children.byName[c.Name]; now != nil && now.state == Stuck && len(s.left[c.Name]) == 0 {
		if s.run == nil {
			now.state, now.since = Idle, time.Now()
			return
		}
		s.run.become(now, GivenUp)
		s.run.advance()
	}
}

// tellStopped tells that a child stopped as it was told to, and what it had to
// say against it.
func (r *run) tellStopped(c *child, class Class, err error) {
	if class != ClassNormal {
		c.record(class, err, stackIn(err))
		r.tell(Event{Kind: EventFailed, Class: class, Err: err, Stack: stackIn(err)}, c)
	}
	for _, name := range leftBehind(err) {
		r.stuck = append(r.stuck, c.Name+"/"+name)
	}
	r.tell(Event{Kind: EventStopped}, c)
}

// stackIn is the stack that an error carries.
func stackIn(err error) string {
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		return string(panicked.Stack[:min(len(panicked.Stack), maxStack)])
	}
	return ""
}

// exited takes in that a child ended by itself.
func (r *run) exited(c *child, class Class, err error) {
	r.become(c, Idle)
	if class == ClassNormal {
		r.tell(Event{Kind: EventEnded, Class: class}, c)
		if c.Restart == Permanent {
			r.failed(c, class, errEnded)
			return
		}
		r.done(c)
		return
	}
	r.broken(c, class, err)
}

// broken takes in a failure.
func (r *run) broken(c *child, class Class, err error) {
	c.record(class, err, stackIn(err))
	r.tell(Event{Kind: EventFailed, Class: class, Err: err, Stack: stackIn(err)}, c)
	if c.Restart == Temporary && (c.begun || !r.first || r.s.spec.OnBreach != BreachEscalate) {
		r.done(c)
		return
	}
	r.failed(c, class, err)
}

var errEnded = errors.New("service came to an end, and is permanent")

// done takes in an end that is final for its kind of child.
func (r *run) done(c *child) {
	r.become(c, Ended)
	if c.Restart == Temporary {
		r.forget(c)
	}
	if c.Significant && !r.ending && r.shutsDown() {
		r.end(ErrShutdown)
		return
	}
	r.advance()
}

// shutsDown tells whether the supervisor ends after a significant child did.
func (r *run) shutsDown() bool {
	if r.s.spec.AutoShutdown == AllSignificant {
		for c := r.s.children.first; c != nil; c = c.next {
			if c.Significant && c.state != Ended {
				return false
			}
		}
	}
	return r.s.spec.AutoShutdown != Never
}

// failed decides what becomes of a child that is to be started again.
func (r *run) failed(c *child, class Class, err error) {
	switch {
	case r.ending, r.lowest != 0 && c.order >= r.lowest:
		return // its group is on its way down, and up again without its doing
	case class == ClassUnavailable:
		c.restarts++
		r.wait(c, Waiting, Event{Kind: EventWaiting, Wait: max(0, r.curve(c).NextBackOff())})
		return
	case r.first && !c.begun && r.s.spec.OnBreach == BreachEscalate:
		r.end(&StartError{Supervisor: r.s.spec.Name, Child: c.Name, Class: class, Err: err})
		return
	}
	wait := r.curve(c).NextBackOff()
	if r.breached(c) || wait == backoff.Stop {
		r.breach(c, class, err)
		return
	}
	c.restarts++
	r.wait(c, Waiting, Event{Kind: EventWaiting, Wait: wait})
}

// curve is a child's back-off, from its beginning if the child was ready for
// the stable time.
func (r *run) curve(c *child) backoff.BackOff {
	if !c.life.ready.IsZero() && time.Since(c.life.ready) >= r.s.spec.Stable {
		c.curve, c.parked = nil, false
	}
	if c.curve == nil {
		c.curve = c.Backoff()
	}
	return c.curve
}

// breached records a restart, and tells whether it is one too many.
func (r *run) breached(c *child) bool {
	budget := &r.restarts
	if r.s.spec.OnBreach != BreachEscalate {
		budget = &c.own
	}
	return budget.add(time.Now(), r.s.spec.Window, r.s.spec.Intensity.count) || c.parked
}

// breach does what the policy says about a child that fails too often.
func (r *run) breach(c *child, class Class, err error) {
	switch r.s.spec.OnBreach {
	case BreachPark:
		c.parked = true
		r.wait(c, Parked, Event{Kind: EventParked, Wait: r.s.spec.ParkFor, Class: class, Err: err})
	case BreachStop:
		r.become(c, GivenUp)
		r.tell(Event{Kind: EventGivenUp, Class: class, Err: err}, c)
		r.fellGroup(c)
	case BreachEscalate:
		r.tell(Event{Kind: EventBreach, Class: class, Err: err}, c)
		r.end(&BreachError{Supervisor: r.s.spec.Name, Child: c.Name, Class: class, Err: err})
	}
}

// wait leaves a child down for a while. Its group stops at once: what stands
// on it cannot do without it.
func (r *run) wait(c *child, state State, e Event) {
	r.become(c, state)
	r.tell(e, c)
	r.after(c, e.Wait, func() {
		if state == Parked {
			c.restarts++
		}
		r.startAgain(c)
	})
	r.fellGroup(c)
}

// fellGroup stops those that the strategy names with a child.
func (r *run) fellGroup(c *child) {
	switch r.s.spec.Strategy {
	case OneForAll:
		r.fell(r.s.children.first)
	case RestForOne:
		r.fell(c)
	case OneForOne, Dynamic:
		r.advance()
	}
}
