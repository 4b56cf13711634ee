package notify

import (
	"time"

	"vedette/pipeline/job"
)

// Times in groups and logs that are later than now are from before the clock was
// set back, by an unknown step. What waits for such a time is due.

// maxAhead is how far the clocks of two processes may differ.
const maxAhead = 5 * time.Second

// setGroupBack takes the last mail for one that was written a group interval ago,
// if it is from before the clock was set back: the next mail does not wait for it.
func setGroupBack(g *job.NotificationGroup, grouping *job.Grouping, now time.Time) {
	limit := now.Add(maxAhead)
	if !g.LastNotified.After(limit) {
		return
	}
	g.LastNotified = now.Add(-grouping.GroupInterval.Std()).UTC()
	if g.NextFlush.After(limit) {
		g.NextFlush = time.Time{}
	}
	if g.Sent != nil && g.Sent.At.After(limit) {
		sent := *g.Sent
		sent.At = g.LastNotified
		g.Sent = &sent
	}
}

// receivedBy takes a notification from before the clock was set back for one that
// has waited long enough.
func (p *planner) receivedBy(received time.Time) time.Time {
	if received.After(p.Now.Add(maxAhead)) {
		return p.Now.Add(-p.Grouping.GroupWait.Std())
	}
	return received
}

// past returns a time in a log, or zero if it is from before the clock was set back.
// A result after a pause is at most an hour ahead.
func (p *planner) past(at time.Time) time.Time {
	if at.After(p.Now.Add(time.Hour + recheckPause + maxAhead)) {
		return time.Time{}
	}
	return at
}

// setDigestBack makes the digest due soon, if what it waits for is from before the
// clock was set back.
func setDigestBack(d *job.Digest, now time.Time) {
	if d.Sent.After(now.Add(maxAhead)) {
		d.Sent = now.Add(-digestInterval).UTC().Truncate(time.Second)
	}
	if d.Due.After(now.Add(digestInterval + digestWait + maxAhead)) {
		d.Due = time.Time{}
	}
}
