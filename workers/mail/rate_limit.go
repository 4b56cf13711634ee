package mail

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rateLimit keeps the mails to a relay below its configured rate. When the relay
// replies that it gets too many, the rate is halved, and doubled again step by
// step later. A nil rateLimit has no limit.
type rateLimit struct {
	limiter *rate.Limiter
	full    rate.Limit

	mu      sync.Mutex
	changed time.Time // when the rate was last changed
}

// restoreAfter is how long a reduced rate holds before it is doubled.
const restoreAfter = time.Minute

// newRateLimit returns nil for zero.
func newRateLimit(perMinute int) *rateLimit {
	if perMinute <= 0 {
		return nil
	}
	full := rate.Limit(float64(perMinute) / time.Minute.Seconds())
	// A burst worth one second lets several sessions start together.
	return &rateLimit{limiter: rate.NewLimiter(full, max(1, int(full))), full: full}
}

// wait blocks until the next mail may be sent. It returns an error when ctx ends
// or would end first.
func (r *rateLimit) wait(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.restore(time.Now())
	return r.limiter.Wait(ctx)
}

// restore doubles a rate that was reduced long enough ago.
func (r *rateLimit) restore(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limiter.Limit() >= r.full || now.Sub(r.changed) < restoreAfter {
		return
	}
	r.changed = now
	r.limiter.SetLimit(min(r.full, 2*r.limiter.Limit()))
}

// halve halves the rate, once for all mails refused within a second.
func (r *rateLimit) halve(now time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.changed) < time.Second {
		return
	}
	r.changed = now
	r.limiter.SetLimit(max(rate.Every(time.Minute), r.limiter.Limit()/2))
}

// throttled reports whether a relay has replied that it gets too many mails or
// connections: with one of the enhanced codes that large providers and RFC 3463
// have for it, or with 421 within a session.
func throttled(v Verdict) bool {
	switch {
	case v.Class != ClassTemporary && v.Class != ClassRelay || v.Reply.Code == 0:
		return false
	case v.Reply.Code == 421 && v.Stage != StageConnect: //nolint:mnd // RFC 5321, 3.8
		return true
	}
	switch v.Reply.Enhanced {
	case "4.7.0", "4.7.28", "4.2.1", "4.4.5", "4.3.2":
		return true
	default:
		return false
	}
}
