package producer

import (
	"fmt"

	"vedette/pipeline/job"
)

// shed takes the checks out of a tick for which there is no room, and makes
// misses of them. What is due by cron is always checked: its next slot may be
// far.
func (d *due) shed(shares map[string]float64) {
	if len(shares) == 0 {
		return
	}
	left := d.checks[:0]
	for i := range d.checks {
		check := &d.checks[i]
		share, throttled := shares[check.terms.location]
		if !throttled || check.terms.interval == 0 || kept(share, check.name, check.slot, check.terms.interval) {
			left = append(left, *check)
			continue
		}
		d.missed = append(d.missed, miss(monitorOf(check.name), check.terms.location, check.slot, job.Miss{
			Reason: job.MissShed, Count: 1, Last: check.slot, Detail: fmt.Sprintf("%.0f %% are made", 100*share),
		}))
	}
	clear(d.checks[len(left):])
	d.checks = left
}
