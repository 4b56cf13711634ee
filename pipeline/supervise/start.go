package supervise

import "context"

// continueStart starts children in order, as far as possible without waiting.
// Group restarts use it too: it waits until the whole group has stopped, and
// until the back-offs of its failed members are over.
func (r *run) continueStart() {
	if r.stopping || r.stopTo != 0 {
		return
	}
	if r.s.spec.Strategy == OneForAll && r.downCount > 0 {
		return
	}
	for c := r.startCursor; c != nil; c = r.startCursor {
		if c.state == Idle {
			r.start(c)
		}
		if !c.unblocks(r.s.spec.Strategy) {
			return
		}
		r.startCursor = c.next
	}
	if r.starting {
		r.starting = false
		close(r.started)
	}
}

// unblocks reports whether the children after c need not wait for it.
func (c *child) unblocks(s Strategy) bool {
	return c.state.settled() || !s.dependent() && (c.state.down() || c.state == Stuck)
}

// rewind moves startCursor back to a child, if it is beyond.
func (r *run) rewind(c *child) {
	if r.startCursor == nil || r.startCursor.position > c.position {
		r.startCursor = c
	}
}

// startInOrder starts a child that need not wait any longer and, where children
// depend on each other, the members of its group that are down.
func (r *run) startInOrder(c *child) {
	r.setState(c, Idle)
	switch {
	case r.stopping:
	case r.s.spec.Strategy.dependent():
		r.rewind(c)
		r.continueStart()
	case r.startCursor != nil && r.startCursor.position <= c.position: // the first start has yet to reach it
		r.continueStart()
	default:
		r.start(c)
	}
}

// start begins a child's next incarnation.
func (r *run) start(c *child) {
	if len(r.s.abandoned[c.Name]) > 0 && c.OnStuck != StuckReplace {
		r.setState(c, Stuck) // since a previous run
		return
	}
	ctx, cancel := context.WithCancel(r.base)
	c.starts++
	i := &incarnation{supervisor: r.s, child: c, number: c.starts, cancel: cancel}
	c.current = i
	r.setState(c, Starting)
	r.report(Event{Kind: EventStarted}, c)
	switch c.StartTimeout {
	case 0:
		r.setReady(c)
	case NoLimit:
	default:
		r.schedule(c, c.StartTimeout, func() { r.requestStop(c, intentFail) })
	}
	go i.serve(context.WithValue(ctx, incarnationKey{}, i))
}

// markReady handles a call of [Ready].
func (s *Supervisor) markReady(i *incarnation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.run; r != nil && i.child.current == i && i.child.state == Starting {
		r.setReady(i.child)
		r.continueStart()
	}
}

func (r *run) setReady(c *child) {
	r.setState(c, Running)
	c.current.ready, c.wasReady = c.since, true
	if c.StartTimeout != 0 {
		r.report(Event{Kind: EventReady}, c)
	}
}
