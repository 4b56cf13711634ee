package supervise

import (
	"context"
	"errors"
	"time"
)

// run is one Serve of a supervisor: a state machine that is moved by the ends
// of children, by timers and by commands. Each move is short and waits for
// nothing; whoever makes it holds the supervisor's lock. So there is no queue
// that an exit could be lost in, and no loop that a child could hold up.
//
// Two cursors keep the order. Upwards, cursor is the first child that those
// after it wait for: it moves on when the child is ready. Downwards, falling is
// the child of a group that has to stop next: it moves back when the child has
// stopped, to lowest, and only then the way up begins.
type run struct {
	s    *Supervisor
	base context.Context //nolint:containedctx // the parent of all lives, which lasts as long as the run

	first    bool // the first way up is not complete
	cursor   *child
	falling  *child
	lowest   int // the order of the last child that has to fall; 0 when none does
	downs    int // children that failed and are not to be started for now
	busy     int // children whose service has not returned, and is not given up
	restarts restarts

	ending   bool
	failure  error
	stuck    []string
	deadline *time.Timer // of a dynamic supervisor that ends
	up       chan struct{}
	finished chan struct{}
}

// result is what Serve returns, once the run has finished.
func (r *run) result() error {
	err := r.failure
	if len(r.stuck) > 0 {
		if _, already := errors.AsType[*StuckError](err); already {
			err = nil
		}
		err = join(err, &StuckError{Supervisor: r.s.spec.Name, Children: r.stuck})
	}
	return err
}

func join(err, other error) error {
	if err == nil {
		return other
	}
	return errors.Join(err, other)
}

// advance starts children in their order, as far as it can without waiting.
// Group restarts come here too: then it waits until the whole group has
// stopped, and until the back-off of those that failed is over.
func (r *run) advance() {
	if r.ending || r.lowest != 0 {
		return
	}
	if r.s.spec.Strategy == OneForAll && r.downs > 0 {
		return
	}
	for c := r.cursor; c != nil; c = r.cursor {
		if c.state == Idle {
			r.start(c)
		}
		if !r.passes(c) {
			return
		}
		r.cursor = c.next
	}
	if r.first {
		r.first = false
		close(r.up)
	}
}

// passes tells whether the children after c need not wait for it any longer.
func (r *run) passes(c *child) bool {
	return c.state.settled() || !r.s.spec.Strategy.ordered() && (c.state.down() || c.state == Stuck)
}

// rewind has the next way up begin no later than at a child.
func (r *run) rewind(c *child) {
	if r.cursor == nil || r.cursor.order > c.order {
		r.cursor = c
	}
}

// become changes a child's state. A timer of its state before is void.
func (r *run) become(c *child, state State) {
	c.turn++
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	r.downs += one(state.down()) - one(c.state.down())
	r.busy += one(state.busy()) - one(c.state.busy())
	c.state, c.since = state, time.Now()
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// after calls f with the lock held, if the child is still in its present state
// by then.
func (r *run) after(c *child, d time.Duration, f func()) {
	turn := c.turn
	c.timer = time.AfterFunc(d, func() {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		if c.turn == turn {
			f()
		}
	})
}

func (r *run) tell(e Event, c *child) {
	e.At, e.Supervisor, e.Child, e.Incarnation = time.Now(), r.s.spec.Name, c.Name, c.incarnation
	r.s.events.put(e)
}

// start begins a life of a child.
func (r *run) start(c *child) {
	if len(r.s.left[c.Name]) > 0 && c.OnStuck != StuckReplace {
		r.become(c, Stuck) // it was left behind when its supervisor served before
		return
	}
	ctx, cancel := context.WithCancel(r.base)
	c.incarnation++
	l := &life{supervisor: r.s, child: c, number: c.incarnation, cancel: cancel}
	c.life = l
	r.become(c, Starting)
	r.tell(Event{Kind: EventStarted}, c)
	switch c.StartTimeout {
	case 0:
		r.ready(c)
	case NoLimit:
	default:
		r.after(c, c.StartTimeout, func() { r.ask(c, thenFail) })
	}
	go l.serve(context.WithValue(ctx, lifeKey{}, l))
}

// becameReady takes in that a life is ready.
func (s *Supervisor) becameReady(l *life) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.run; r != nil && l.child.life == l && l.child.state == Starting {
		r.ready(l.child)
		r.advance()
	}
}

func (r *run) ready(c *child) {
	r.become(c, Running)
	c.life.ready, c.begun = c.since, true
	if c.StartTimeout != 0 {
		r.tell(Event{Kind: EventReady}, c)
	}
}

// startAgain starts a child whose waiting is over, and, where children stand
// on one another, those of its group that are down.
func (r *run) startAgain(c *child) {
	r.become(c, Idle)
	switch {
	case r.ending:
	case r.s.spec.Strategy.ordered():
		r.rewind(c)
		r.advance()
	case r.cursor != nil && r.cursor.order <= c.order: // the first way up comes by
		r.advance()
	default:
		r.start(c)
	}
}
