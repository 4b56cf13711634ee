package mail

import (
	"context"
	"log/slog"
	"time"
)

const (
	// firstSessionTimeout is how long other callers wait for the first session:
	// longer than opening one usually takes, shorter than a dial may hang.
	firstSessionTimeout = 5 * time.Second
	// limitRetry is when a mail is tried again that got no session because the
	// relay is at its session limit.
	limitRetry = time.Second
	// limitTime is how long the pool then uses one slot less.
	limitTime = 30 * time.Second
)

// open opens a session if the circuit breaker allows it.
func (p *sessionPool) open(ctx context.Context) (*session, Verdict, time.Duration) {
	release := p.awaitFirst(ctx)
	defer release()
	began := time.Now()
	if wait, last := p.breaker.allow(began); wait > 0 {
		return nil, last, wait
	}
	s, err := openSession(ctx, p.relay, p.config)
	switch {
	case err == nil:
		p.breaker.success()
		p.openCount.Add(1)
		return s, Verdict{}, 0
	case ctx.Err() != nil: // does not concern the relay
		p.breaker.cancel()
		return nil, notTried(context.Cause(ctx)), 0
	default:
		v := classifyClientError(StageConnect, err)
		if p.atLimit(v) {
			return nil, v, limitRetry
		}
		return nil, v, p.recordFailure(ctx, began, v)
	}
}

// awaitFirst lets one caller at a time open a session while none is open. If
// many sessions were opened together, a relay with a session limit would refuse
// some before any is logged in, and would seem to be unreachable.
func (p *sessionPool) awaitFirst(ctx context.Context) (release func()) {
	if p.openCount.Load() > 0 || p.breaker.state(time.Now()) == open {
		return func() {}
	}
	select {
	case p.firstSession <- struct{}{}:
		release = func() { <-p.firstSession }
		if p.openCount.Load() > 0 { // by now, so the others need not wait
			release()
			return func() {}
		}
		return release
	case <-time.After(firstSessionTimeout):
	case <-ctx.Done(): // the dial fails
	}
	return func() {}
}

// atLimit reports whether a relay refuses a session while others are open: it
// has a session limit.
func (p *sessionPool) atLimit(v Verdict) bool { return v.Class == ClassRelay && p.openCount.Load() > 0 }

// releaseSlot frees the slot of a session that could not be opened, after
// limitTime if the relay is at its session limit.
func (p *sessionPool) releaseSlot(v Verdict) {
	if !p.atLimit(v) {
		<-p.slots
		return
	}
	p.config.Logger.Info("relay refused another session; using fewer", "relay", p.relay, "open", p.openCount.Load(), "error", cause(v))
	time.AfterFunc(limitTime, func() { <-p.slots })
}

// probe opens a session when the circuit breaker is half-open, so that no mail
// has to wait for the result.
func (p *sessionPool) probe(ctx context.Context) {
	if p.breaker.state(time.Now()) != halfOpen {
		return
	}
	select {
	case p.slots <- struct{}{}:
	default:
		return // a mail tries the relay
	}
	s, _, _ := p.open(ctx)
	if s == nil {
		<-p.slots
		return
	}
	p.put(s, true)
}

// recordFailure counts a failure, and logs it if it has opened the breaker.
func (p *sessionPool) recordFailure(ctx context.Context, began time.Time, v Verdict) time.Duration {
	wait, opened := p.breaker.failure(began, time.Now(), v)
	if opened {
		level := slog.LevelWarn
		if v.Class == ClassConfig {
			level = slog.LevelError
		}
		p.config.Logger.Log(ctx, level, "relay cannot be used", "relay", p.relay, "class", v.Class, "stage", v.Stage, "error", cause(v), "retry_in", wait)
	}
	return wait
}
