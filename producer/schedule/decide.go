package schedule

import "time"

// Decision is what to do with the slots since the cursor: run at most one,
// record the others as missed.
type Decision struct {
	// Run is the slot to check now; zero when there is none.
	Run time.Time
	// Missed are the slots that are too late, all before Run.
	Missed Window
}

// Decide decides the slots after cursor, up to and including tick. The newest
// is run unless it is older than allowance; what is older is missed, and
// recorded, since a burst of late checks would tell nothing of the times for
// which they were meant. A zero cursor means that the schedule was never
// handled: only a slot in the tick's own second counts.
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
