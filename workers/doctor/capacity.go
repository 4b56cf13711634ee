package doctor

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

const (
	// headroom is the factor from average need to advised slots, since checks are
	// not evenly distributed.
	headroom = 1.25
	// limitStep is the step for advised limits.
	limitStep = 8
	// tolerableWait is how long a check may wait for a slot, since all checks for
	// one second are published together.
	tolerableWait = 2 * time.Second
	// maxLimit is the highest limit that a file may set.
	maxLimit = 1 << 16
)

// Saturation finds locations that miss slots due to insufficient capacity. It
// is the part of [Examine] for automatic notices to operators.
func Saturation(s Snapshot) []Finding {
	return saturations(s, func(c *capacity) bool { return c.insufficient() && c.missedSlots() > 0 })
}

func saturated(s Snapshot) []Finding { return saturations(s, (*capacity).insufficient) }

func saturations(s Snapshot, report func(*capacity) bool) []Finding {
	var found []Finding
	for i := range s.Locations {
		if c := s.capacity(&s.Locations[i]); report(&c) {
			found = append(found, c.finding())
		}
	}
	return found
}

// capacity compares the slots that a location's checks have and need.
type capacity struct {
	*Location

	queue          Queue
	running, limit int
	processes      int
	window         time.Duration
}

func (s *Snapshot) capacity(l *Location) capacity {
	name := checkQueue(l.Name)
	c := capacity{Location: l, queue: s.queue(name), window: s.Window}
	c.running, c.limit, c.processes = s.poolSlots(name)
	return c
}

func checkQueue(location string) string { return "check-" + location }

func (s *Snapshot) queue(name string) Queue {
	if i := slices.IndexFunc(s.Queues, func(q Queue) bool { return q.Name == name }); i >= 0 {
		return s.Queues[i]
	}
	return Queue{Name: name}
}

// poolSlots sums the slots in the pools with a name over all processes.
func (s *Snapshot) poolSlots(pool string) (running, limit, processes int) {
	for _, member := range s.Processes {
		walk(member.Children, func(c job.ChildStatus) {
			if c.Name == pool && c.Jobs != nil {
				running, limit, processes = running+c.Jobs.Running, limit+c.Jobs.Limit, processes+1
			}
		})
	}
	return running, limit, processes
}

// walk calls visit for each child, including nested ones.
func walk(children []job.ChildStatus, visit func(job.ChildStatus)) {
	for _, c := range children {
		visit(c)
		walk(c.Children, visit)
	}
}

// starvedSlots counts slots missed only due to insufficient capacity.
func (c *capacity) starvedSlots() int { return c.Missed[job.MissExpired] + c.Missed[job.MissShed] }

// missedSlots counts slots missed under too little capacity.
func (c *capacity) missedSlots() int { return c.starvedSlots() + c.Missed[job.MissOverlap] }

// insufficient reports whether there are too few slots. No worker at all is a
// different finding.
func (c *capacity) insufficient() bool {
	if c.limit == 0 {
		return false
	}
	full := c.running >= c.limit
	return c.starvedSlots() > 0 || full && (c.Missed[job.MissOverlap] > 0 || c.queue.OldestAge > tolerableWait)
}

// neededSlots is the average number for all checks, including missed ones,
// according to Little's law.
func (c *capacity) neededSlots() float64 {
	if c.Checked == 0 || c.window <= 0 {
		return 0
	}
	due := float64(c.Checked + c.missedSlots())
	return due / c.window.Seconds() * c.meanDuration().Seconds()
}

func (c *capacity) meanDuration() time.Duration { return c.Held / time.Duration(max(1, c.Checked)) }

func (c *capacity) finding() Finding {
	return Finding{Kind: Saturated, Subject: "location " + c.Name, Found: c.found(), Why: c.why(), Advice: c.advice()}
}

func (c *capacity) found() string {
	text := fmt.Sprintf("checks at location %s: %d of %d slots busy, %d waiting", c.Name, c.running, c.limit, c.queue.Waiting)
	if c.queue.OldestAge > 0 {
		text += ", oldest " + rounded(c.queue.OldestAge)
	}
	if c.Checked > 0 {
		text += fmt.Sprintf("; a check holds its slot for %s on average", rounded(c.meanDuration()))
	}
	if c.Timeouts > 0 {
		text += fmt.Sprintf(", the %d %% with silent targets for %s", max(1, 100*c.Timeouts/c.Checked), rounded(c.TimedOut/time.Duration(c.Timeouts)))
	}
	return text
}

func (c *capacity) why() string {
	missed := c.missedSlots()
	if missed == 0 {
		return "checks are late; more checks would be missed"
	}
	return fmt.Sprintf("%d of %d slots in the last %s were not checked (%s)", missed, missed+c.Checked, rounded(c.window), missReasons(c.Missed))
}

// missReasons counts misses by reason, in descending order.
func missReasons(missed map[job.MissReason]int) string {
	reasons := byCount(missed)
	parts := make([]string, len(reasons))
	for i, reason := range reasons {
		parts[i] = fmt.Sprintf("%d %s", missed[reason], reason)
	}
	return strings.Join(parts, ", ")
}

// advice recommends higher limits or more processes. If the present slots would
// suffice, the processors are the bottleneck, and more slots would not help.
func (c *capacity) advice() string {
	needed := c.neededSlots()
	total := int(math.Ceil(needed*headroom/limitStep)) * limitStep
	if c.Checked == 0 { // no check has ended yet, so try twice as many
		total = 2 * c.limit
	}
	if total <= c.limit {
		return fmt.Sprintf("about %d slots would suffice, so the processors are the bottleneck: start another 'vedette worker%s' on another machine, or lengthen intervals",
			max(1, int(math.Ceil(needed))), locationFlag(c.Name))
	}
	limit := int(math.Ceil(float64(total)/float64(c.processes)/limitStep)) * limitStep
	more := int(math.Ceil(float64(total-c.limit) / (float64(c.limit) / float64(c.processes))))
	start := fmt.Sprintf("start %d more 'vedette worker%s'", more, locationFlag(c.Name))
	if more == 1 {
		start = fmt.Sprintf("start another 'vedette worker%s'", locationFlag(c.Name))
	}
	if limit > maxLimit {
		return start
	}
	where := ""
	if c.processes > 1 {
		where = fmt.Sprintf(" in each of the %d processes", c.processes)
	}
	return fmt.Sprintf("raise workers.checks from %d to %d%s, or %s", c.limit/c.processes, limit, where, start)
}

// overlapping finds monitors whose checks last until their next slot although
// there are free slots.
func overlapping(s Snapshot) []Finding {
	var found []Finding
	for i := range s.Locations {
		l := &s.Locations[i]
		c := s.capacity(l)
		if len(l.Overlaps) == 0 || c.limit == 0 || c.insufficient() {
			continue
		}
		found = append(found, Finding{
			Kind: Overlap, Subject: "location " + l.Name,
			Found: fmt.Sprintf("%s for %s were missed in the last %s because the previous check was still running: %s",
				plural(l.Missed[job.MissOverlap], "slot"), plural(len(l.Overlaps), "monitor"), rounded(s.Window), topNames(l.Overlaps)),
			Why:    "a check that lasts until the next slot makes the monitor miss that slot, although workers have free slots",
			Advice: "lower the timeout of these monitors, or lengthen their interval; if many check one host, raise workers.checks_per_host",
		})
	}
	return found
}
