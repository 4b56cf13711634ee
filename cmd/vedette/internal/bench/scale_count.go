package bench

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// scaleCount counts results. It keeps four bytes a monitor, and nothing of a
// result, so that it does not spoil the memory that is measured.
type scaleCount struct {
	interval time.Duration
	length   time.Duration

	mu      sync.Mutex
	newest  []uint32      // by monitor, the seconds of the newest slot that was checked; 0 before the first
	started int           // how many have one
	arrived int           // results, whether they count or not
	any     chan struct{} // closed with the first result
	all     chan struct{} // closed when each monitor has one
	first   time.Time     // when the first check began

	from, to time.Time // the slots that count, from included; zero while none do
	done     int       // slots that were checked
	twice    int       // or checked again
	offGrid  int       // that are not where the schedule has them
	down     int       // whose target was not up
	missed   map[job.MissReason]int
	late     spread
	quarters [4]spread

	silent int          // percent of the monitors whose targets never answer
	parts  [2]scalePart // the healthy, and the silent
}

func newScaleCount(monitors int, interval, length time.Duration) *scaleCount {
	return &scaleCount{
		interval: interval, length: length, newest: make([]uint32, monitors), any: make(chan struct{}), all: make(chan struct{}), missed: map[job.MissReason]int{},
	}
}

const scalePrefix = "scale-"

func scaleName(i int) string { return scalePrefix + strconv.Itoa(i) }

// begin has the slots of whole intervals count, from a second on.
func (c *scaleCount) begin(from time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from, c.to = from, from.Add(c.length)
}

// add counts a batch.
func (c *scaleCount) add(results []job.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range results {
		c.one(&results[i])
	}
}

func (c *scaleCount) one(r *job.Result) {
	number, err := strconv.Atoi(strings.TrimPrefix(r.Monitor, scalePrefix))
	if err != nil || number >= len(c.newest) {
		return // not one of ours
	}
	counts := !c.from.IsZero() && !r.Slot.Before(c.from) && r.Slot.Before(c.to)
	switch {
	case r.Miss != nil && counts:
		c.missed[r.Miss.Reason] += r.Miss.Count
		c.part(number).miss(r.Miss)
	case r.ProbeResult != nil:
		again := c.known(number, r)
		c.arrived++
		if counts {
			c.judge(r, again)
			if !again {
				c.part(number).check(r)
			}
		}
	}
}

// known notes the newest slot of a monitor, and tells whether it was there.
func (c *scaleCount) known(number int, r *job.Result) (again bool) {
	second := uint32(r.Slot.Unix()) //nolint:gosec // until 2106
	before := c.newest[number]
	c.newest[number] = max(before, second)
	if c.first.IsZero() {
		c.first = r.ProbeResult.Started
		close(c.any)
	}
	if before == 0 {
		c.started++
		if c.started == len(c.newest) {
			close(c.all)
		}
	}
	return second <= before
}

func (c *scaleCount) judge(r *job.Result, again bool) {
	if again {
		c.twice++
		return
	}
	c.done++
	if r.ProbeResult.Health != job.Up {
		c.down++
	}
	grid, err := schedule.Every(c.interval, r.Monitor)
	if err != nil || !grid.Next(r.Slot.Add(-time.Second)).Equal(r.Slot) {
		c.offGrid++
	}
	late := r.ProbeResult.Started.Sub(r.Slot)
	c.late.add(late)
	quarter := 4 * r.Slot.Sub(c.from) / c.length
	c.quarters[quarter].add(late)
}

// open is how many of the slots that count have neither a result nor a miss.
func (c *scaleCount) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	open := c.due() - c.done
	for _, n := range c.missed {
		open -= n
	}
	return open
}

// due is how many slots count: each monitor has one in each interval.
func (c *scaleCount) due() int { return len(c.newest) * int(c.length/c.interval) }

// began is when the first check did.
func (c *scaleCount) began() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}

// results is how many have arrived.
func (c *scaleCount) results() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arrived
}
