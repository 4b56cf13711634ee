// Package clock notices that the wall clock was set, and that the process or the
// machine stood still.
//
// Times on the wall clock are in messages and on the server, and durations between
// them are wrong after the clock was set. The operating system's other clocks,
// which cannot be set, show by how much.
package clock

import "time"

// Reading is what the clocks of the machine show at one moment.
type Reading struct {
	// Wall is the time on the wall clock, without a monotonic part.
	Wall time.Time
	// Awake is the time since an arbitrary moment in which the machine did not
	// sleep, Total that with its sleep. Where the operating system does not count
	// the sleep, both are the same, and a sleep looks like a step.
	Awake, Total time.Duration
}

// Change is what happened between two readings, except that time has passed.
type Change struct {
	// At is the wall clock afterwards.
	At time.Time
	// Step is by how much the wall clock was set: negative for back.
	Step time.Duration
	// Pause is how long the process or the machine stood still.
	Pause time.Duration
}

const (
	// Tolerance is the smallest step that counts. Time servers correct less than
	// half a second by changing the clock's rate (ntpd's step threshold is 128 ms,
	// chrony usually steps at a start only), and everything that compares times
	// allows this much.
	Tolerance = 2 * time.Second
	// minPause is the shortest pause that counts. A machine under load delays a
	// process by a second or two.
	minPause = 5 * time.Second
)

// compare returns the change between two readings that should be a period apart.
func compare(before, after Reading, period time.Duration) Change {
	c := Change{At: after.Wall}
	total, awake := after.Total-before.Total, after.Awake-before.Awake
	if step := after.Wall.Sub(before.Wall) - total; step.Abs() >= Tolerance {
		c.Step = step
	}
	stopped, asleep := awake-period, total-awake
	if pause := max(0, stopped) + asleep; pause >= minPause {
		c.Pause = pause
	}
	return c
}

// none reports whether nothing happened.
func (c Change) none() bool { return c.Step == 0 && c.Pause == 0 }

// elapsed returns how long ago a time on the wall clock was, without the steps and
// pauses since then; zero for a time in the future that no change explains.
// Changes are in order. A time that the clock has shown twice counts as the later
// one.
func elapsed(changes []Change, t, now time.Time) time.Duration {
	since, end := now.Sub(t), now
	for i := len(changes) - 1; i >= 0; i-- {
		c := &changes[i]
		if !t.Before(c.At) && !t.After(end) {
			break // after this change
		}
		skipped := t.Before(c.At)
		since -= c.Step + c.Pause
		end = c.At.Add(-c.Step - c.Pause)
		if skipped && t.After(end) {
			break // this clock never showed it, but the one of another machine did
		}
	}
	return max(0, since)
}
