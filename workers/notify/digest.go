package notify

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

const (
	// digestWait is how long the first notice waits for others with the same
	// cause, digestInterval the time between mails.
	digestWait     = 10 * time.Second
	digestInterval = 5 * time.Minute
	// maxRecent is how many notice ids a digest remembers.
	maxRecent = 200
)

// Collect adds a notice to the digest for the operators and decides when it is
// due: soon after the first notice, but at most every five minutes. It reports
// whether the notice was new. It is a pure function.
func Collect(d job.Digest, n job.Notice, now time.Time) (job.Digest, bool) {
	if slices.Contains(d.Recent, n.ID) {
		return d, false
	}
	d.V = job.Version
	d.Recent = append(slices.Clone(d.Recent), n.ID)
	d.Recent = d.Recent[max(0, len(d.Recent)-maxRecent):]
	if len(d.Pending) < job.MaxPending {
		d.Pending = append(slices.Clone(d.Pending), n)
	} else {
		d.More++
	}
	if d.Due.IsZero() {
		d.Due = later(now.Add(digestWait), d.Sent.Add(digestInterval)).UTC().Truncate(time.Second)
	}
	return d, true
}

// Mailed removes from a digest what was mailed. Notices that came in the meantime
// stay, and are due at their own time.
func Mailed(d, mailed job.Digest) job.Digest {
	d.Sent, d.Due = mailed.Due, time.Time{}
	d.More -= mailed.More
	d.Pending = slices.DeleteFunc(slices.Clone(d.Pending), func(n job.Notice) bool {
		return slices.ContainsFunc(mailed.Pending, func(m job.Notice) bool { return m.ID == n.ID })
	})
	if len(d.Pending)+d.More > 0 {
		d.Due = d.Sent.Add(digestInterval)
	}
	return d
}
