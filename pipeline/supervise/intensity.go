package supervise

import "time"

// restarts are the times of the last restarts, oldest first.
type restarts []time.Time

// add records a restart, and tells whether it is one too many: whether more
// than limit lie within the window that ends now. Both ends of the window are
// in it. The times carry the monotonic clock's reading, so that a change of the
// wall clock moves nothing.
func (r *restarts) add(now time.Time, window time.Duration, limit int) bool {
	kept := append(*r, now)
	for now.Sub(kept[0]) > window {
		kept = kept[1:]
	}
	*r = kept
	return len(kept) > limit
}
