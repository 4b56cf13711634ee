package doctor

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// ResultStats summarizes results by location and by worker clock. The zero value
// is ready to use; it is not safe for concurrent use.
type ResultStats struct {
	locations map[string]*Location
	clocks    map[string]WorkerClock
}

// Add adds a batch that the server stored at the given time.
func (s *ResultStats) Add(results []job.Result, stored time.Time) {
	for i := range results {
		r := &results[i]
		if r.Location == "" || r.Monitor == "" {
			continue // an ad-hoc check, or the monitor is paused
		}
		s.location(r.Location).add(r)
		if r.ProbeResult != nil && !r.ProbeResult.Started.IsZero() {
			s.observeClock(r, stored)
		}
	}
}

func (s *ResultStats) location(name string) *Location {
	if s.locations == nil {
		s.locations = map[string]*Location{}
	}
	if s.locations[name] == nil {
		s.locations[name] = &Location{Name: name, Missed: map[job.MissReason]int{}, Overlaps: map[string]int{}}
	}
	return s.locations[name]
}

func (l *Location) add(r *job.Result) {
	if r.ProbeResult != nil {
		l.Checked++
		l.Held += r.ProbeResult.Latency.Std()
		if r.ProbeResult.Class == job.ClassTimeout {
			l.Timeouts++
			l.TimedOut += r.ProbeResult.Latency.Std()
		}
		return
	}
	if r.Miss == nil {
		return
	}
	l.Missed[r.Miss.Reason] += r.Miss.Count
	if r.Miss.Reason == job.MissOverlap {
		l.Overlaps[r.Monitor] += r.Miss.Count
	}
}

// observeClock compares a result's times on the worker's clock with times on the
// server's: a check begins after its slot, and ends before its result is stored.
func (s *ResultStats) observeClock(r *job.Result, stored time.Time) {
	if s.clocks == nil {
		s.clocks = map[string]WorkerClock{}
	}
	w := s.clocks[r.Worker]
	started := r.ProbeResult.Started
	s.clocks[r.Worker] = WorkerClock{
		Worker: r.Worker, Behind: max(w.Behind, r.Slot.Sub(started)), Ahead: max(w.Ahead, started.Add(r.ProbeResult.Latency.Std()).Sub(stored)),
	}
}

// Locations returns the observed locations, sorted by name.
func (s *ResultStats) Locations() []Location {
	all := make([]Location, 0, len(s.locations))
	for _, name := range slices.Sorted(maps.Keys(s.locations)) {
		all = append(all, *s.locations[name])
	}
	return all
}

// Clocks returns the clocks of the observed workers, sorted by name.
func (s *ResultStats) Clocks() []WorkerClock {
	return slices.SortedFunc(maps.Values(s.clocks), func(a, b WorkerClock) int { return cmp.Compare(a.Worker, b.Worker) })
}
