package doctor

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// Count gathers what results tell of locations and clocks. Its zero value is
// ready; it is not safe for concurrent use.
type Count struct {
	locations map[string]*Location
	clocks    map[string]*WorkerClock
}

// Add counts a batch that the server stored at a time.
func (c *Count) Add(results []job.Result, stored time.Time) {
	for i := range results {
		r := &results[i]
		if r.Location == "" || r.Monitor == "" {
			continue // of no location: nothing was scheduled, or the monitor is paused
		}
		c.location(r.Location).add(r)
		if r.ProbeResult != nil && !r.ProbeResult.Started.IsZero() {
			c.clock(r.Worker).see(r, stored)
		}
	}
}

func (c *Count) location(name string) *Location {
	if c.locations == nil {
		c.locations = map[string]*Location{}
	}
	if c.locations[name] == nil {
		c.locations[name] = &Location{Name: name, Missed: map[job.MissReason]int{}, Overlaps: map[string]int{}}
	}
	return c.locations[name]
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

func (c *Count) clock(worker string) *WorkerClock {
	if c.clocks == nil {
		c.clocks = map[string]*WorkerClock{}
	}
	if c.clocks[worker] == nil {
		c.clocks[worker] = &WorkerClock{Worker: worker}
	}
	return c.clocks[worker]
}

// see compares a result's times by the worker's clock with those by the
// server's: no check begins before its slot, or ends after its result is stored.
func (w *WorkerClock) see(r *job.Result, stored time.Time) {
	w.Behind = max(w.Behind, r.Slot.Sub(r.ProbeResult.Started))
	w.Ahead = max(w.Ahead, r.ProbeResult.Started.Add(r.ProbeResult.Latency.Std()).Sub(stored))
}

// Locations are those that were seen, by name.
func (c *Count) Locations() []Location {
	all := make([]Location, 0, len(c.locations))
	for _, name := range slices.Sorted(maps.Keys(c.locations)) {
		all = append(all, *c.locations[name])
	}
	return all
}

// Clocks are those of the workers that were seen, by name.
func (c *Count) Clocks() []WorkerClock {
	var all []WorkerClock
	for _, w := range c.clocks {
		all = append(all, *w)
	}
	slices.SortFunc(all, func(a, b WorkerClock) int { return cmp.Compare(a.Worker, b.Worker) })
	return all
}
