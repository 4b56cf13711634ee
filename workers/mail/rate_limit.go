package mail

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rateLimit keeps the mails of a relay below what it is said to take, and half of
// that after it has said that it was too much, for as long as it says so. Its
// nil value lets everything through.
type rateLimit struct {
	limiter *rate.Limiter
	full   rate.Limit

	mu     sync.Mutex
	changed time.Time // when it was last
}

// restoreAfter is how long after it was halved a pace is doubled, up to the whole.
const restoreAfter = time.Minute

// newRateLimit allows so many mails a minute, evenly; none for zero.
func newRateLimit(perMinute int) *rateLimit {
	if perMinute <= 0 {
		return nil
	}
	whole := rate.Limit(float64(perMinute) / time.Minute.Seconds())
	// A burst of a second's worth lets several sessions begin at once.
	return &rateLimit{limiter: rate.NewLimiter(whole, max(1, int(whole))), full: whole}
}

// wait waits for a mail's turn. The error says that ctx ended, or would before.
func (p *rateLimit) wait(ctx context.Context) error {
	if p == nil {
		return nil
	}
	p.restore(time.Now())
	return p.limiter.Wait(ctx)
}

// restore doubles a pace that was halved long enough ago.
func (p *rateLimit) restore(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limiter.Limit() >= p.full || now.Sub(p.changed) < restoreAfter {
		return
	}
	p.changed = now
	p.limiter.SetLimit(min(p.full, 2*p.limiter.Limit()))
}

// halve halves the pace, once for all that was refused at the same time.
func (p *rateLimit) halve(now time.Time) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.changed) < time.Second {
		return
	}
	p.changed = now
	p.limiter.SetLimit(max(rate.Every(time.Minute), p.limiter.Limit()/2))
}

// throttled tells whether a relay has said that it gets too much of us: too
// many mails or connections in a time (4.7.0, 4.7.28 and 4.2.1 of large
// providers, 4.4.5 and 4.3.2 of RFC 3463), or 421 in a session.
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
