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

// sessionPool is the sessions of one relay: at most as many as it has slots, each
// used by one goroutine or idle.
type sessionPool struct {
	relay      Relay
	hello      string
	timeouts    timeouts
	idleTimeout  time.Duration
	mailsPerSession int
	log        *slog.Logger

	// slots is held by whoever uses a session or opens one. Sessions are opened
	// only when none is idle, so there are never more than slots.
	slots chan struct{}
	// firstSession is held by whoever opens a session while none is open.
	firstSession chan struct{}
	breaker  breaker
	limit  *rateLimit
	openCount  atomic.Int64 // sessions that are open

	mu      sync.Mutex // guards what follows, and the expiry of idle sessions
	idle    []*session // the one used last is the last
	closed  bool
	quitting sync.WaitGroup // sessions that take leave; added to under mu, while not closed
}

// send makes one attempt, on an idle session if there is one. After says how
// long this relay is of no use.
func (p *sessionPool) send(ctx context.Context, m Message) (v Verdict, after time.Duration) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		err := fmt.Errorf("wait for a session: %w", context.Cause(ctx))
		return Verdict{Class: ClassRelay, Stage: StageConnect, Err: err}, 0
	}
	if err := p.limit.wait(ctx); err != nil {
		<-p.slots
		return Verdict{Class: ClassRelay, Stage: StageConnect, Err: fmt.Errorf("wait for a turn: %w", err)}, 0
	}
	if s := p.take(); s != nil {
		v, keep := s.deliver(ctx, m)
		// A kept session may have been ended by the relay while it was idle.
		// That is found out here, and costs nothing but a dial.
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

// finish puts the session where it belongs, gives the slot back and lets the
// relay rest if the mail showed that it refuses our settings.
func (p *sessionPool) finish(ctx context.Context, s *session, v Verdict, keep bool) (after time.Duration) {
	p.put(s, keep)
	if throttled(v) {
		p.limit.halve(time.Now())
	}
	if v.Class != ClassConfig {
		return 0
	}
	now := time.Now()
	return p.recordFailure(ctx, now, v)
}

// open opens a session, unless the relay rests.
func (p *sessionPool) open(ctx context.Context) (*session, Verdict, time.Duration) {
	release := p.awaitFirst(ctx)
	defer release()
	began := time.Now()
	if wait, last := p.breaker.allow(began); wait > 0 {
		return nil, last, wait
	}
	s, err := openSession(ctx, p.relay, p.hello, p.timeouts)
	switch {
	case err == nil:
		p.breaker.success()
		p.openCount.Add(1)
		return s, Verdict{}, 0
	case ctx.Err() != nil: // it says nothing about the relay
		p.breaker.cancel()
		return nil, Verdict{Class: ClassRelay, Stage: StageConnect, Err: context.Cause(ctx)}, 0
	default:
		v := classifyClientError(StageConnect, err)
		if p.atLimit(v) {
			return nil, v, limitRetry
		}
		return nil, v, p.recordFailure(ctx, began, v)
	}
}

// firstSessionTimeout is how long others wait for the first session: longer than it takes
// to open one, and not as long as a single dial may hang.
const firstSessionTimeout = 5 * time.Second

// awaitFirst waits until a session may be opened. While none is open that is one at a
// time: the first one shows what the relay is like. Opened all at once, those
// beyond a limit of the relay are refused before any is through TLS and login,
// and it would look as if the relay took nobody.
func (p *sessionPool) awaitFirst(ctx context.Context) (release func()) {
	if p.openCount.Load() > 0 || p.breaker.open(time.Now()) {
		return func() {}
	}
	select {
	case p.firstSession <- struct{}{}:
		release = func() { <-p.firstSession }
	case <-time.After(firstSessionTimeout):
		return func() {}
	case <-ctx.Done():
		return func() {} // the dial finds out
	}
	if p.openCount.Load() == 0 {
		return release
	}
	release() // it has shown, and the others need not wait for each other
	return func() {}
}

const (
	// limitRetry is how soon a mail is tried again that got no session of a
	// relay which serves others of ours.
	limitRetry = time.Second
	// limitTime is how long one session less is opened then.
	limitTime = 30 * time.Second
)

// atLimit tells whether a relay refuses one more session while it serves others
// of ours: it has a limit, and is not away.
func (p *sessionPool) atLimit(v Verdict) bool { return v.Class == ClassRelay && p.openCount.Load() > 0 }

// releaseSlot gives back the slot of a session that was not opened: later, if the
// relay has a limit, so that we keep to it.
func (p *sessionPool) releaseSlot(v Verdict) {
	if !p.atLimit(v) {
		<-p.slots
		return
	}
	p.log.Info("relay takes no more sessions", "relay", p.relay, "open", p.openCount.Load(), "error", cause(v))
	time.AfterFunc(limitTime, func() { <-p.slots })
}

// probe opens a session with a relay that was of no use, when it has rested: so
// that no mail has to find out.
func (p *sessionPool) probe(ctx context.Context) {
	if !p.breaker.halfOpen(time.Now()) {
		return
	}
	select {
	case p.slots <- struct{}{}:
	default:
		return // somebody else tries
	}
	s, _, _ := p.open(ctx)
	if s == nil {
		<-p.slots
		return
	}
	p.put(s, true)
}

// recordFailure lets the relay rest, and tells the operator once for each rest.
func (p *sessionPool) recordFailure(ctx context.Context, began time.Time, v Verdict) time.Duration {
	wait, first := p.breaker.failure(began, time.Now(), v)
	if first {
		level := slog.LevelWarn
		if v.Class == ClassConfig {
			level = slog.LevelError
		}
		p.log.Log(ctx, level, "relay is of no use", "relay", p.relay, "class", v.Class, "stage", v.Stage, "error", cause(v), "rests", wait)
	}
	return wait
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
	s.expiry.Stop() // if it is too late, expire will not find the session
	return s
}

// put keeps a session for the next mail, or ends it: without a word if it is
// broken, politely if it has carried enough. The slot is given back when the
// relay has seen the session end.
func (p *sessionPool) put(s *session, keep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !keep:
		p.abort(s)
		<-p.slots
	case p.closed:
		s.quitAsync()
		p.openCount.Add(-1)
		<-p.slots
	case s.mails >= p.mailsPerSession:
		p.quitting.Go(func() {
			p.quit(s)
			<-p.slots
		})
	default:
		s.expiry = time.AfterFunc(p.idleTimeout, func() { p.expire(s) })
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

// abort and quit end a session that is counted.
func (p *sessionPool) abort(s *session) {
	s.abort()
	p.openCount.Add(-1)
}

func (p *sessionPool) quit(s *session) {
	s.quit()
	p.openCount.Add(-1)
}

// reopen lets sessions be kept again.
func (p *sessionPool) reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = false
}

// close ends the idle sessions, and waits for those that take leave. Those in
// use end after their mail.
func (p *sessionPool) close() {
	p.mu.Lock()
	p.closed = true
	for _, s := range p.idle {
		s.expiry.Stop()
		p.quitting.Go(func() { p.quit(s) })
	}
	p.idle = nil
	p.mu.Unlock()
	p.quitting.Wait()
}
