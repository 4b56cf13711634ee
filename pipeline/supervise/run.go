package supervise

import (
	"context"
	"errors"
	"time"
)

// run is one Serve: a state machine driven by the ends of children, timers and
// commands. Each step is short, never blocks, and holds the supervisor's lock.
// So there is no queue that could lose an exit, and no loop that a child could
// block.
//
// Two cursors keep the order. startCursor is the first child that those after
// it wait for; it advances when the child is ready. stopCursor is the next
// child to stop in a group; it moves back to the position stopTo as children
// stop, and only then the group starts again.
type run struct {
	s    *Supervisor
	base context.Context //nolint:containedctx // the parent of all incarnations, which lasts as long as the run

	starting    bool // until all children have started for the first time
	startCursor *child
	stopCursor  *child
	stopTo      int // the position of the last child to stop; 0 when no group stops
	downCount   int // failed children that do not start for now
	busyCount   int // children whose service has not returned, except stuck ones
	restarts    restartTimes

	stopping bool
	failure  error
	stuck    []string
	deadline *time.Timer // for a dynamic supervisor that stops
	started  chan struct{}
	finished chan struct{}
}

// result returns Serve's result once the run has finished.
func (r *run) result() error {
	if len(r.stuck) == 0 {
		return r.failure
	}
	stuck := &StuckError{Supervisor: r.s.spec.Name, Children: r.stuck}
	if _, already := errors.AsType[*StuckError](r.failure); already || r.failure == nil {
		return stuck
	}
	return errors.Join(r.failure, stuck)
}

// setState changes a child's state, and cancels the timer for its previous
// state.
func (r *run) setState(c *child, state State) {
	c.transitions++
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	r.downCount += toInt(state.down()) - toInt(c.state.down())
	r.busyCount += toInt(state.busy()) - toInt(c.state.busy())
	c.state, c.since = state, time.Now()
}

func toInt(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// schedule calls f after d with the lock held, unless the child's state has
// changed by then.
func (r *run) schedule(c *child, d time.Duration, f func()) {
	transition := c.transitions
	c.timer = time.AfterFunc(d, func() {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		if c.transitions == transition {
			f()
		}
	})
}

func (r *run) report(e Event, c *child) {
	e.At, e.Supervisor, e.Child, e.Incarnation = time.Now(), r.s.spec.Name, c.Name, c.starts
	r.s.events.add(e)
}
