package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

const (
	// reserve is how much more room is advised than is needed on average, since
	// checks do not come evenly.
	reserve = 1.25
	// roundTo is what advised limits are a multiple of.
	roundTo = 8
	// tolerable is how long a check may wait for a slot: those of a second are
	// ordered together.
	tolerable = 2 * time.Second
	// maxLimit is the most that a limit may be.
	maxLimit = 1 << 16
)

// Saturation finds the locations whose checks miss slots for lack of room: it is
// the part of [Examine] that operators are told without asking.
func Saturation(s Snapshot) []Finding {
	return saturations(s, func(r *room) bool { return r.lacks() && r.lost() > 0 })
}

func saturated(s Snapshot) []Finding { return saturations(s, (*room).lacks) }

func saturations(s Snapshot, worth func(*room) bool) []Finding {
	var found []Finding
	for i := range s.Locations {
		if room := s.room(&s.Locations[i]); worth(&room) {
			found = append(found, room.finding())
		}
	}
	return found
}

// room is what the checks of a location have, and what they need.
type room struct {
	*Location

	queue          Queue
	running, limit int
	processes      int
	window         time.Duration
}

func (s *Snapshot) room(l *Location) room {
	name := checkQueue(l.Name)
	r := room{Location: l, queue: s.queue(name), window: s.Window}
	r.running, r.limit, r.processes = s.slots(name)
	return r
}

func checkQueue(location string) string { return "check-" + location }

func (s *Snapshot) queue(name string) Queue {
	if i := slices.IndexFunc(s.Queues, func(q Queue) bool { return q.Name == name }); i >= 0 {
		return s.Queues[i]
	}
	return Queue{Name: name}
}

// slots are those of the pools of a name, in how many processes.
func (s *Snapshot) slots(pool string) (running, limit, processes int) {
	for _, member := range s.Processes {
		each(member.Children, func(c job.ChildStatus) {
			if c.Name == pool && c.Jobs != nil {
				running, limit, processes = running+c.Jobs.Running, limit+c.Jobs.Limit, processes+1
			}
		})
	}
	return running, limit, processes
}

func each(children []job.ChildStatus, do func(job.ChildStatus)) {
	for _, c := range children {
		do(c)
		each(c.Children, do)
	}
}

// starved is how many slots were missed for lack of room.
func (r *room) starved() int { return r.Missed[job.MissExpired] + r.Missed[job.MissShed] }

// lost is how many slots were missed where there is no room.
func (r *room) lost() int { return r.starved() + r.Missed[job.MissOverlap] }

// lacks tells whether there is too little room. Without a worker there is none,
// which is another finding.
func (r *room) lacks() bool {
	if r.limit == 0 {
		return false
	}
	full := r.running >= r.limit
	return r.starved() > 0 || full && (r.Missed[job.MissOverlap] > 0 || r.queue.OldestAge > tolerable)
}

// needed is how many slots the checks take on average, those included that were
// missed: Little's law.
func (r *room) needed() float64 {
	if r.Checked == 0 || r.window <= 0 {
		return 0
	}
	due := float64(r.Checked + r.lost())
	return due / r.window.Seconds() * r.mean().Seconds()
}

func (r *room) mean() time.Duration { return r.Held / time.Duration(max(1, r.Checked)) }

func (r *room) finding() Finding {
	return Finding{Kind: Saturated, Subject: "location " + r.Name, Found: r.found(), Why: r.why(), Advice: r.advice()}
}

func (r *room) found() string {
	text := fmt.Sprintf("checks at location %s: %d of %d slots busy, %d waiting", r.Name, r.running, r.limit, r.queue.Waiting)
	if r.queue.OldestAge > 0 {
		text += ", oldest " + round(r.queue.OldestAge)
	}
	if r.Checked > 0 {
		text += fmt.Sprintf("; a check holds its slot for %s", round(r.mean()))
	}
	if r.Timeouts > 0 {
		text += fmt.Sprintf(", those of silent targets, %d %% of all, for %s", max(1, 100*r.Timeouts/r.Checked), round(r.TimedOut/time.Duration(r.Timeouts)))
	}
	return text
}

func (r *room) why() string {
	lost := r.lost()
	if lost == 0 {
		return "checks are late, and when there are more some will not be made"
	}
	return fmt.Sprintf("%d of %d slots of the last %s were not checked (%s)", lost, lost+r.Checked, round(r.window), reasons(r.Missed))
}

// reasons counts misses by reason, most first.
func reasons(missed map[job.MissReason]int) string {
	keys := slices.SortedFunc(maps.Keys(missed), func(a, b job.MissReason) int {
		return cmp.Or(cmp.Compare(missed[b], missed[a]), cmp.Compare(a, b))
	})
	parts := make([]string, len(keys))
	for i, reason := range keys {
		parts[i] = fmt.Sprintf("%d %s", missed[reason], reason)
	}
	return strings.Join(parts, ", ")
}

// advice says what to raise. Where slots would do for what is due it is the
// processors that do not, and more slots would change nothing.
func (r *room) advice() string {
	need := r.needed()
	total := int(math.Ceil(need*reserve/roundTo)) * roundTo
	if r.Checked == 0 { // none has ended yet, so twice as many are worth a try
		total = 2 * r.limit
	}
	if total <= r.limit {
		return fmt.Sprintf("about %d slots would do, so it is the processors that are too few: start another 'vedette worker%s' on another machine, or lengthen intervals",
			max(1, int(math.Ceil(need))), at(r.Name))
	}
	each := int(math.Ceil(float64(total)/float64(r.processes)/roundTo)) * roundTo
	more := int(math.Ceil(float64(total-r.limit) / (float64(r.limit) / float64(r.processes))))
	start := fmt.Sprintf("start %d more of 'vedette worker%s'", more, at(r.Name))
	if more == 1 {
		start = fmt.Sprintf("start another 'vedette worker%s'", at(r.Name))
	}
	if each > maxLimit {
		return start
	}
	where := ""
	if r.processes > 1 {
		where = fmt.Sprintf(" in each of the %d processes", r.processes)
	}
	return fmt.Sprintf("raise workers.checks from %d to %d%s, or %s", r.limit/r.processes, each, where, start)
}

// at is the flag of a location.
func at(location string) string {
	if location == "" || location == job.DefaultLocation {
		return ""
	}
	return " --location " + location
}

// overlapping finds monitors whose checks last until the next slot
// though there is room for them.
func overlapping(s Snapshot) []Finding {
	var found []Finding
	for i := range s.Locations {
		l := &s.Locations[i]
		room := s.room(l)
		if len(l.Overlaps) == 0 || room.limit == 0 || room.lacks() {
			continue
		}
		found = append(found, Finding{
			Kind: Overlap, Subject: "location " + l.Name,
			Found:  fmt.Sprintf("%s of %s were missed in the last %s because the last check had not ended: %s", count(l.Missed[job.MissOverlap], "slot"), count(len(l.Overlaps), "monitor"), round(s.Window), most(l.Overlaps)),
			Why:    "a check that lasts until the next slot costs that slot, though workers have room",
			Advice: "lower the timeout of these monitors, or lengthen their interval; where many check one host, raise workers.checks_per_host",
		})
	}
	return found
}

// listed is how many names are told.
const listed = 5

// most names those with the highest counts.
func most(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	if more := len(names) - listed; more > 0 {
		return strings.Join(names[:listed], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// round is a duration for people.
func round(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}
