package supervise

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// restart decides when a child that must run again starts, or what happens if
// its failures are too frequent.
func (r *run) restart(c *child, class Class, err error) {
	switch {
	case r.stopping, r.stopTo != 0 && c.position >= r.stopTo:
		return // its group is stopping, and will start it again
	case class == ClassUnavailable:
		c.restarts++
		r.delayStart(c, Waiting, Event{Kind: EventWaiting, Wait: max(0, c.nextBackoff(r.s.spec.Stable))})
		return
	case r.starting && !c.wasReady && r.s.spec.OnBreach == BreachEscalate:
		r.shutDown(&StartError{Supervisor: r.s.spec.Name, Child: c.Name, Class: class, Err: err})
		return
	}
	wait := c.nextBackoff(r.s.spec.Stable)
	if r.exceedsIntensity(c) || wait == backoff.Stop {
		r.breach(c, class, err)
		return
	}
	c.restarts++
	r.delayStart(c, Waiting, Event{Kind: EventWaiting, Wait: wait})
}

// nextBackoff returns the next wait before a restart. The back-off begins again
// after the child was ready for the stable time.
func (c *child) nextBackoff(stable time.Duration) time.Duration {
	if !c.current.ready.IsZero() && time.Since(c.current.ready) >= stable {
		c.backoff, c.wasParked = nil, false
	}
	if c.backoff == nil {
		c.backoff = c.Backoff()
	}
	return c.backoff.NextBackOff()
}

// exceedsIntensity records a restart, and reports whether it exceeds the
// intensity.
func (r *run) exceedsIntensity(c *child) bool {
	times := &r.restarts
	if r.s.spec.OnBreach != BreachEscalate {
		times = &c.ownRestarts
	}
	return times.record(time.Now(), r.s.spec.Window, r.s.spec.Intensity.count) || c.wasParked
}

// breach applies the policy for a child that fails too often.
func (r *run) breach(c *child, class Class, err error) {
	switch r.s.spec.OnBreach {
	case BreachPark:
		c.wasParked = true
		r.delayStart(c, Parked, Event{Kind: EventParked, Wait: r.s.spec.ParkFor, Class: class, Err: err})
	case BreachStop:
		r.setState(c, GivenUp)
		r.report(Event{Kind: EventGivenUp, Class: class, Err: err}, c)
		r.stopGroupOf(c)
	case BreachEscalate:
		r.report(Event{Kind: EventBreach, Class: class, Err: err}, c)
		r.shutDown(&BreachError{Supervisor: r.s.spec.Name, Child: c.Name, Class: class, Err: err})
	}
}

// delayStart keeps a child down for the event's wait. Its group stops at once,
// since it depends on the child.
func (r *run) delayStart(c *child, state State, e Event) {
	r.setState(c, state)
	r.report(e, c)
	r.schedule(c, e.Wait, func() {
		if state == Parked {
			c.restarts++
		}
		r.startInOrder(c)
	})
	r.stopGroupOf(c)
}

// restartTimes are the times of recent restarts, oldest first.
type restartTimes []time.Time

// record adds a restart, and reports whether more than limit restarts lie
// within the window that ends now. The window includes both its ends. The times
// carry the monotonic clock reading, so that wall clock changes have no effect.
func (t *restartTimes) record(now time.Time, window time.Duration, limit int) bool {
	kept := append(*t, now)
	for now.Sub(kept[0]) > window {
		kept = kept[1:]
	}
	*t = kept
	return len(kept) > limit
}
