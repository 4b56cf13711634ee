package mail

import (
	"context"
	"os"
	"time"
)

const (
	// watchInterval is how often the watch looks whether something is due.
	watchInterval = 250 * time.Millisecond
	// defaultCheckInterval, with the time for an answer, keeps a relay that is away
	// from going unnoticed for longer than 30 s.
	defaultCheckInterval = 15 * time.Second
	// loginEvery is how many checks there are to one with a login. The others end
	// after TLS, because many relays count logins.
	loginEvery = 4
)

// watch checks the relay at intervals while it is usable, and otherwise probes it
// when its breaker is half-open, until ctx ends.
func (p *sessionPool) watch(ctx context.Context) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	next := time.Now()
	for checks := 0; ; {
		switch now := time.Now(); p.breaker.state(now) {
		case halfOpen:
			p.password = readPasswordStamp(p.relay.PasswordFile)
			p.probe(ctx)
		case open:
			if found := readPasswordStamp(p.relay.PasswordFile); found != p.password {
				p.password = found
				p.breaker.cancel() // a changed password is tried at once
			}
		case closed:
			if interval := p.config.CheckInterval; interval > 0 && !now.Before(next) {
				p.password = readPasswordStamp(p.relay.PasswordFile)
				p.check(ctx, checks%loginEvery == 0)
				checks++
				next = time.Now().Add(interval)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// passwordStamp changes with the content of a password file.
type passwordStamp struct {
	changed time.Time
	size    int64
}

func readPasswordStamp(path string) passwordStamp {
	if path == "" {
		return passwordStamp{}
	}
	info, err := os.Stat(path)
	if err != nil {
		return passwordStamp{} // the login will report it
	}
	return passwordStamp{changed: info.ModTime(), size: info.Size()}
}

// check opens a session and ends it, so that a failure is known before a mail has
// to wait for it. While all sessions are in use, their mails show the same.
func (p *sessionPool) check(ctx context.Context, login bool) {
	select {
	case p.slots <- struct{}{}:
	default:
		return
	}
	defer func() { <-p.slots }()
	if int(p.openCount.Load()) >= cap(p.slots) && !p.endIdle() {
		return
	}
	release := p.awaitFirst(ctx)
	defer release()
	relay := p.relay
	if !login {
		relay.Username, relay.Password, relay.PasswordFile = "", "", ""
	}
	began := time.Now()
	p.record.asked(began)
	defer p.record.answered()
	s, err := openSession(ctx, relay, p.config)
	switch {
	case err == nil:
		p.openCount.Add(1)
		p.record.saw(s)
		p.record.answered()
		p.quit(s)
	case ctx.Err() != nil: // does not concern the relay
	default:
		v := classifyClientError(StageConnect, err)
		if v.Reply.Code == 0 || !p.atLimit(v) {
			p.recordFailure(ctx, began, v)
		}
	}
}

// endIdle ends an idle session, which makes room for another one, and reports
// whether there was one.
func (p *sessionPool) endIdle() bool {
	s := p.take()
	if s == nil {
		return false
	}
	p.quit(s)
	return true
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
	p.record.asked(time.Now())
	s, _, _ := p.open(ctx)
	p.record.answered()
	if s == nil {
		<-p.slots
		return
	}
	p.put(s, true)
}
