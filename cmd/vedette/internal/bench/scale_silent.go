package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// silentTarget tells whether the target of a monitor is one of so many percent
// that never answer. They are spread evenly over the numbers.
func silentTarget(i, percent int) bool { return i*percent%100 < percent }

// silentTargets is how many of n monitors have such a target.
func silentTargets(n, percent int) int {
	silent := n / 100 * percent
	for i := range n % 100 {
		if silentTarget(i, percent) {
			silent++
		}
	}
	return silent
}

// scalePart are the counts of the monitors of one kind of targets.
type scalePart struct {
	done   int
	missed map[job.MissReason]int
	late   spread
	held   time.Duration // how long the checks took, all together
}

// part is the one that a monitor belongs to.
func (c *scaleCount) part(number int) *scalePart {
	if silentTarget(number, c.silent) {
		return &c.parts[1]
	}
	return &c.parts[0]
}

func (p *scalePart) miss(m *job.Miss) {
	if p.missed == nil {
		p.missed = map[job.MissReason]int{}
	}
	p.missed[m.Reason] += m.Count
}

func (p *scalePart) check(r *job.Result) {
	p.done++
	p.late.add(r.ProbeResult.Started.Sub(r.Slot))
	p.held += r.ProbeResult.Latency.Std()
}

// mean is how long a check took.
func (p *scalePart) mean() time.Duration { return p.held / time.Duration(max(1, p.done)) }

// slotsNeeded is how many checks run at once when so many begin in a second and
// each takes so long: Little's law.
func slotsNeeded(perSecond float64, each time.Duration) float64 { return perSecond * each.Seconds() }

// parted are the lines that tell healthy and silent monitors apart; none when
// there are no silent ones.
func (r *scaleRun) parted() string {
	if r.silent == 0 {
		return ""
	}
	silent := silentTargets(r.n, r.silent)
	healthy := r.n - silent
	rounds := int(r.length / r.interval)
	perSecond := func(monitors int) float64 { return float64(monitors) / r.interval.Seconds() }
	quick := r.count.parts[0].mean()
	if r.count.parts[0].done == 0 {
		quick = r.delay
	}
	needed := slotsNeeded(perSecond(silent), r.timeout) + slotsNeeded(perSecond(healthy), quick)
	return fmt.Sprintf(`slots of the pool     %d needed, %.0f a second for %s and %.0f for %s; %d given
healthy monitors      %s
silent monitors       %s
`, int(math.Ceil(needed)), perSecond(silent), r.timeout, perSecond(healthy), tenths(quick), r.checks,
		r.count.parts[0].report(healthy*rounds), r.count.parts[1].report(silent*rounds))
}

// report is a line about one kind, of whose slots so many were due.
func (p *scalePart) report(due int) string {
	return fmt.Sprintf("%d of %d slots checked; missed %s; late by p50 %s, p99 %s, max %s",
		p.done, due, reasons(p.missed), tenths(p.late.quantile(0.5)), tenths(p.late.quantile(0.99)), tenths(p.late.max))
}

// reasons counts misses, and says why they are.
func reasons(missed map[job.MissReason]int) string {
	var parts []string
	total := 0
	for reason, n := range missed {
		parts = append(parts, fmt.Sprintf("%d %s", n, reason))
		total += n
	}
	if total == 0 {
		return "0"
	}
	slices.Sort(parts)
	return fmt.Sprintf("%d (%s)", total, strings.Join(parts, ", "))
}
