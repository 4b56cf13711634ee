package supervise

import (
	"fmt"
	"time"
)

// ask tells a child to stop. Then it has its shutdown time.
func (r *run) ask(c *child, then intent) {
	r.become(c, Stopping)
	c.then = then
	together := r.ending && r.s.spec.Strategy == Dynamic // then one deadline holds for all
	if c.Shutdown != NoLimit && !together {
		l := c.life
		turn := c.turn
		c.timer = time.AfterFunc(c.Shutdown, func() { r.s.overdue(r, l, turn) })
	}
	c.life.cancel()
}

// overdue takes in that a child's shutdown time is over. Its stack is read
// before the lock is taken, since that takes long when there are many.
func (s *Supervisor) overdue(r *run, l *life, turn int) {
	stack := Stack(frameOfLife, l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.child.turn == turn {
		r.leave(l.child, stack)
	}
}

// leave gives up waiting for a child that does not return.
func (r *run) leave(c *child, stack string) {
	c.life.left.Store(true)
	r.s.left[c.Name] = append(r.s.left[c.Name], c.life)
	r.become(c, Stuck)
	err := fmt.Errorf("service ignores the end of its context for %s", c.Shutdown)
	c.record(ClassStuck, err, stack)
	r.tell(Event{Kind: EventStuck, Class: ClassStuck, Err: err, Stack: stack}, c)
	switch {
	case r.ending:
		r.stuck = append(r.stuck, c.Name)
		r.fallen()
	case c.then == thenRemove, c.OnStuck == StuckReplace:
		r.stopped(c, nil)
	case c.OnStuck == StuckEscalate:
		r.stuck = append(r.stuck, c.Name)
		r.end(&StuckError{Supervisor: r.s.spec.Name, Children: []string{c.Name}})
	case c.OnStuck == StuckExit:
		go r.s.spec.Exit(fmt.Errorf("child %s of supervisor %s: %w", c.Name, r.s.spec.Name, err))
	case r.first && c.then == thenFail && !c.begun:
		r.stuck = append(r.stuck, c.Name)
		r.end(&StartError{Supervisor: r.s.spec.Name, Child: c.Name, Class: ClassStuck, Err: err})
	default:
		r.fallen()
	}
}

// stopped goes on after a child that was told to stop has done so, or is given
// up; err is what it had to say against it.
func (r *run) stopped(c *child, err error) {
	then := c.then
	r.become(c, Idle)
	switch then {
	case thenFail:
		late := &TimeoutError{After: c.StartTimeout, Err: err}
		r.broken(c, ClassTimeout, late)
	case thenStop:
		r.become(c, Stopped)
	case thenDisable:
		r.become(c, Disabled)
	case thenStart:
		r.startAgain(c)
	case thenRemove:
		r.forget(c)
	case thenIdle:
	}
	r.fallen()
}

// fell has a child and all after it stop, in reverse. Those that had stopped
// before are started again with them, but for those that an operator disabled.
func (r *run) fell(from *child) {
	if r.lowest == 0 {
		r.falling, r.lowest = r.s.children.last, from.order
	}
	r.lowest = min(r.lowest, from.order)
	r.rewind(from)
	for c := from; c != nil; c = c.next {
		if (c.state == Stopped || c.state == Ended) && c.Restart != Temporary {
			r.become(c, Idle)
		}
	}
	r.fall()
}

// fall stops the children of a group, as far as it can without waiting.
func (r *run) fall() {
	for r.lowest != 0 {
		c := r.falling
		if c == nil || c.order < r.lowest {
			r.falling, r.lowest = nil, 0
			if r.ending {
				r.finish()
			}
			r.advance()
			return
		}
		if c.state.alive() {
			r.ask(c, thenIdle)
		}
		if c.state == Stopping {
			return
		}
		r.falling = c.previous
		r.lay(c)
	}
}

// lay settles what becomes of a child when its group has stopped.
func (r *run) lay(c *child) {
	switch {
	case c.state == Idle && c.Restart != Temporary, c.state == Disabled, c.state == Stuck:
	case c.Restart == Temporary:
		r.forget(c)
	default: // stopped since, or failed: what the group waits for
	}
}

// fallen goes on with whatever waited for a child to stop.
func (r *run) fallen() {
	switch {
	case r.ending && r.s.spec.Strategy == Dynamic:
		if r.busy == 0 {
			r.finish()
		}
	case r.lowest != 0:
		r.fall()
	default:
		r.advance()
	}
}

// forget removes a child from the supervisor. What it still does is nobody's
// affair any more.
func (r *run) forget(c *child) {
	if r.cursor == c {
		r.cursor = c.next
	}
	if r.falling == c {
		r.falling = c.previous
	}
	r.become(c, Idle) // which ends its timer
	r.s.children.remove(c)
}

// end stops everything. The first reason is the one that is told.
func (r *run) end(reason error) {
	if r.ending {
		return
	}
	r.ending, r.failure = true, reason
	if r.s.spec.Strategy == Dynamic {
		r.endAll()
		return
	}
	if r.lowest == 0 {
		r.falling = r.s.children.last
	}
	r.lowest = 1 // the first order that list gives
	r.fall()
}

// endAll stops all children side by side, under one deadline.
func (r *run) endAll() {
	for c := r.s.children.first; c != nil; c = c.next {
		if c.state.alive() {
			r.ask(c, thenIdle)
		}
	}
	if r.busy == 0 {
		r.finish()
		return
	}
	r.deadline = time.AfterFunc(r.s.spec.Shutdown, func() { r.s.leaveAll(r) })
}

// leaveAll gives up on the children of a dynamic supervisor that have not
// stopped within its shutdown time.
func (s *Supervisor) leaveAll(r *run) {
	for _, l := range s.late(r) {
		stack := Stack(frameOfLife, l)
		s.mu.Lock()
		if c := l.child; c.life == l && c.state == Stopping {
			r.leave(c, stack)
		}
		s.mu.Unlock()
	}
}

// late returns the lives that should have ended.
func (s *Supervisor) late(r *run) []*life {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lives []*life
	if s.run == r {
		for c := s.children.first; c != nil; c = c.next {
			if c.state == Stopping {
				lives = append(lives, c.life)
			}
		}
	}
	return lives
}

// finish lets Serve return. No child runs any more, but for stuck ones.
func (r *run) finish() {
	if r.s.run != r {
		return
	}
	for c := r.s.children.first; c != nil; c = c.next {
		if c.state != Stuck && c.state != Disabled {
			r.become(c, Idle)
		}
	}
	if r.deadline != nil {
		r.deadline.Stop()
	}
	r.s.run = nil
	close(r.finished)
}
