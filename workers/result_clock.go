package workers

import (
	"sync"
	"time"

	"vedette/pipeline"
)

// resultClock is the clock of the server, as far as the results that this process
// takes show it: the time of the newest one, and what has passed since then on the
// monotonic clock. Newest means the highest sequence, which grows when the clock is
// set back too.
type resultClock struct {
	mu       sync.Mutex
	sequence uint64
	stored   time.Time
	taken    time.Time // with a monotonic part
}

// observe takes a delivery.
func (c *resultClock) observe(d *pipeline.Delivery, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.Sequence >= c.sequence {
		c.sequence, c.stored, c.taken = d.Sequence, d.Stored, now
	}
}

const (
	// horizonSlack is how far a slot may be ahead of the server's clock: nodes of a
	// cluster take turns to give the time.
	horizonSlack = 5 * time.Second
	// horizonDoubt is how far a slot may be ahead of the newest result here, as long
	// as it is not ahead of this process's clock: other processes may be that much
	// further with a queue of results that waited.
	horizonDoubt = 30 * time.Minute
)

// horizon is the latest time that a slot can have, zero before the first result.
func (c *resultClock) horizon(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken.IsZero() {
		return time.Time{}
	}
	server := c.stored.Add(now.Sub(c.taken))
	latest := server.Add(horizonSlack)
	own := now.Round(0).Add(horizonSlack)
	if doubt := server.Add(horizonDoubt); own.After(doubt) {
		own = doubt
	}
	if own.After(latest) {
		latest = own
	}
	return latest
}
