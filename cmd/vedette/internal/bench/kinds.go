package bench

import (
	"fmt"
	"math"
	"time"
)

// silentTarget reports whether a monitor belongs to the given percentage whose
// targets never answer. They are spread evenly over the numbers.
func silentTarget(i, percent int) bool { return i*percent%100 < percent }

// silentTargets returns how many of n monitors have such a target.
func silentTargets(n, percent int) int {
	silent := n / 100 * percent
	for i := range n % 100 {
		if silentTarget(i, percent) {
			silent++
		}
	}
	return silent
}

// kind returns the counts for healthy or for silent targets.
func (t *tally) kind(number int) *outcomes {
	if silentTarget(number, t.silent) {
		return &t.kinds[1]
	}
	return &t.kinds[0]
}

// mean returns the mean check duration, or the expected one when none ran.
func (o *outcomes) mean(expected time.Duration) time.Duration {
	if o.done == 0 {
		return expected
	}
	return o.held / time.Duration(o.done)
}

// slotsNeeded returns how many checks run at once, by Little's law: arrivals per
// second times their duration.
func slotsNeeded(perSecond float64, each time.Duration) float64 { return perSecond * each.Seconds() }

// kinds returns the lines for healthy and silent monitors; none when no target is
// silent.
func (r *run) kinds() string {
	if r.silent == 0 {
		return ""
	}
	silent := silentTargets(r.n, r.silent)
	healthy := r.n - silent
	rounds := int(r.length / r.interval)
	perSecond := func(monitors int) float64 { return float64(monitors) / r.interval.Seconds() }
	quick := r.tally.kinds[0].mean(r.delay)
	needed := slotsNeeded(perSecond(silent), r.timeout) + slotsNeeded(perSecond(healthy), quick)
	return fmt.Sprintf(`slots of the pool     %d needed, %.0f a second for %s and %.0f for %s; %d given
healthy monitors      %s
silent monitors       %s
`, int(math.Ceil(needed)), perSecond(silent), r.timeout, perSecond(healthy), rounded(quick), r.checks,
		r.tally.kinds[0].report(healthy*rounds), r.tally.kinds[1].report(silent*rounds))
}

func (o *outcomes) report(due int) string {
	return fmt.Sprintf("%d of %d slots checked; missed %s; late by %s", o.done, due, o.missed, &o.late)
}
