package schedule

import "time"

// Decision is what to do with the slots since the cursor: at most one is checked,
// the others are recorded as missed.
type Decision struct {
	// Run is the slot to check now; zero if there is none.
	Run time.Time
	// Missed has the slots that are too late, all before Run.
	Missed Window
}

// Decide returns the decision for the slots after cursor, up to and including tick.
// The newest slot is checked unless it is older than allowance. Older slots are
// missed: checking them late would say nothing about the times for which they were
// scheduled. A zero cursor means a new schedule: only a slot in the same second as
// tick counts.
func Decide(s Schedule, cursor, tick time.Time, allowance time.Duration) Decision {
	if cursor.IsZero() {
		cursor = tick.Truncate(time.Second).Add(-time.Second)
	}
	w := s.Window(cursor, tick)
	switch {
	case w.Count == 0:
		return Decision{}
	case tick.Sub(w.Last) > allowance:
		return Decision{Missed: w}
	case w.Count == 1:
		return Decision{Run: w.Last}
	default:
		before := s.Window(cursor, w.Last.Add(-time.Second))
		return Decision{Run: w.Last, Missed: before}
	}
}
