package mail

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// sessionPool holds the sessions with one relay: at most one per slot, each idle
// or used by one goroutine.
type sessionPool struct {
	relay  Relay
	config *Config

	// slots is held while a session is opened or used. A session is opened only
	// if none is idle, so there are never more sessions than slots.
	slots chan struct{}
	// firstSession is held while a session is opened and none is open.
	firstSession chan struct{}
	breaker      breaker
	limit        *rateLimit
	openCount    atomic.Int64
	record       *relayRecord
	password     passwordStamp // used by watch only

	mu       sync.Mutex // guards the following fields and the expiry of idle sessions
	idle     []*session // in the order of their last use
	stopped  bool
	quitting sync.WaitGroup // sessions that wait for the reply to QUIT; added to under mu
}

// send makes one attempt, on an idle session if there is one. A positive after
// says how long this relay cannot be used.
func (p *sessionPool) send(ctx context.Context, m Message) (v Verdict, after time.Duration) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return notTried(fmt.Errorf("wait for a session: %w", context.Cause(ctx))), 0
	}
	if err := p.limit.wait(ctx); err != nil {
		<-p.slots
		return notTried(fmt.Errorf("wait for rate limit: %w", err)), 0
	}
	if s := p.take(); s != nil {
		v, keep := s.deliver(ctx, m)
		// The relay may have closed the session while it was idle. Such a mail
		// is sent again on a new session, within the same attempt.
		stale := v.Class == ClassRelay && v.beforeBody() && ctx.Err() == nil
		if !stale {
			return v, p.finish(ctx, s, v, keep)
		}
		p.abort(s)
	}
	s, v, after := p.open(ctx)
	if s == nil {
		p.releaseSlot(v)
		return v, after
	}
	v, keep := s.deliver(ctx, m)
	return v, p.finish(ctx, s, v, keep)
}

// finish returns the session and its slot, and opens the circuit breaker if the
// relay has refused our settings.
func (p *sessionPool) finish(ctx context.Context, s *session, v Verdict, keep bool) (after time.Duration) {
	p.put(s, keep)
	if throttled(v) {
		p.limit.halve(time.Now())
	}
	if v.Class != ClassConfig {
		return 0
	}
	return p.recordFailure(ctx, time.Now(), v)
}

// take returns the idle session that was used last, or nil.
func (p *sessionPool) take() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	s := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	s.expiry.Stop() // if the timer has fired, expire does not find the session
	return s
}

// put keeps a session for the next mail, aborts a broken one, or ends one that
// has carried enough mails with QUIT. The slot becomes free when the relay no
// longer counts the session.
func (p *sessionPool) put(s *session, keep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !keep:
		p.abort(s)
		<-p.slots
	case p.stopped:
		s.quitAsync()
		p.openCount.Add(-1)
		<-p.slots
	case s.mails >= p.config.PerSession:
		p.quitting.Go(func() {
			p.quit(s)
			<-p.slots
		})
	default:
		s.expiry = time.AfterFunc(p.config.Idle, func() { p.expire(s) })
		p.idle = append(p.idle, s)
		<-p.slots
	}
}

// expire ends a session that is still idle.
func (p *sessionPool) expire(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.idle, s)
	if at < 0 {
		return
	}
	p.idle = slices.Delete(p.idle, at, at+1)
	p.quitting.Go(func() { p.quit(s) })
}

func (p *sessionPool) abort(s *session) {
	s.abort()
	p.openCount.Add(-1)
}

func (p *sessionPool) quit(s *session) {
	s.quit()
	p.openCount.Add(-1)
}

// start lets sessions stay open between mails, also after stop.
func (p *sessionPool) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = false
}

// stop ends the idle sessions and waits for their QUIT. A session in use ends
// after its mail.
func (p *sessionPool) stop() {
	p.mu.Lock()
	p.stopped = true
	for _, s := range p.idle {
		s.expiry.Stop()
		p.quitting.Go(func() { p.quit(s) })
	}
	p.idle = nil
	p.mu.Unlock()
	p.quitting.Wait()
}

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
	if err == nil && p.breaker.failedInMail() {
		if v := s.tryMail(ctx); v.Class == ClassConfig || v.Class == ClassRelay {
			s.abort()
			if ctx.Err() == nil {
				return nil, v, p.recordFailure(ctx, began, v)
			}
			err = context.Cause(ctx)
		}
	}
	switch {
	case err == nil:
		p.breaker.success()
		p.record.saw(s)
		if p.record.recovered(time.Now()) {
			p.config.Logger.InfoContext(ctx, "relay can be used again", "relay", p.relay)
		}
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

// recordFailure counts a failure, and logs the first one with a cause.
func (p *sessionPool) recordFailure(ctx context.Context, began time.Time, v Verdict) time.Duration {
	wait, opened := p.breaker.failure(began, time.Now(), v)
	if opened {
		news := p.record.failed(v, time.Now())
		level := slog.LevelWarn
		if v.Class == ClassConfig {
			level = slog.LevelError
		}
		if !news {
			level = slog.LevelDebug
		}
		p.config.Logger.Log(ctx, level, "relay cannot be used", "relay", p.relay, "class", v.Class, "stage", v.Stage, "error", cause(v), "retry_in", wait)
	}
	return wait
}
