package mail

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// breaker is the circuit breaker of a relay. A failure opens it, so that no
// session is opened for a while. After that time it is half-open: one caller
// tries the relay and the others wait for the result. Success closes it.
type breaker struct {
	mu        sync.Mutex
	failures  int // in a row; zero means closed
	openUntil time.Time
	failedAt  time.Time
	last      Verdict
	// random returns the jitter, from 0 to 1; nil means rand.Float64.
	random func() float64
}

const (
	// maxAwayOpen is short, so that mails leave within seconds after a relay is back;
	// maxBusyOpen is for a relay that answers a new session with 4xx.
	maxAwayOpen = 10 * time.Second
	maxBusyOpen = 30 * time.Second
	// maxRefusedOpen keeps the logins below the five within ten minutes after which
	// fail2ban, by default, blocks an address.
	maxRefusedOpen = 5 * time.Minute
	// trialTimeout is how long the other callers wait for a trial.
	trialTimeout = 30 * time.Second
	// openJitter is the largest random addition to the open time, as a fraction,
	// so that processes refused at the same time do not return together.
	openJitter = 0.25
)

// openTime is the open time after a number of failures in a row: 1 s, 2 s, 4 s
// up to 10 s for a relay that is unreachable or whose TLS fails, up to 30 s for
// one that refuses sessions for now, and 1 min, 2 min, 4 min and 5 min for one that
// refuses the login or us.
func openTime(v Verdict, failures int) time.Duration {
	wait, limit := time.Second, maxAwayOpen
	switch trouble := v.Trouble(); {
	case trouble == TroubleUnreachable || trouble == TroubleTLS:
	case v.Class == ClassConfig:
		wait, limit = time.Minute, maxRefusedOpen
	default:
		limit = maxBusyOpen
	}
	for range failures - 1 {
		wait = min(2*wait, limit)
	}
	return wait
}

// allow reports whether a session may be opened now: wait is zero if so, and
// otherwise the remaining open time, with the last failure.
func (b *breaker) allow(now time.Time) (wait time.Duration, last Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.openUntil) {
		last = b.last
		last.Err = fmt.Errorf("relay is paused after %d failures: %w", b.failures, cause(b.last))
		last.Reply = Reply{}
		return b.openUntil.Sub(now), last
	}
	if b.failures > 0 {
		b.openUntil = now.Add(trialTimeout)
	}
	return 0, Verdict{}
}

// breakerState is whether sessions may be opened.
type breakerState int

const (
	closed   breakerState = iota // the relay has not failed since it last worked
	open                         // no session may be opened now
	halfOpen                     // the relay has failed, and may be tried again
)

func (b *breaker) state(now time.Time) breakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case now.Before(b.openUntil):
		return open
	case b.failures > 0:
		return halfOpen
	default:
		return closed
	}
}

// failure counts a failed dial and returns the open time that remains; opened
// is true if this failure opened the breaker. Dials that began before an earlier
// failure was counted count as the same failure.
func (b *breaker) failure(began, now time.Time, v Verdict) (wait time.Duration, opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if began.Before(b.failedAt) {
		return max(b.openUntil.Sub(now), 0), false
	}
	b.failures++
	b.failedAt, b.last = now, v
	random := rand.Float64
	if b.random != nil {
		random = b.random
	}
	wait = openTime(v, b.failures)
	wait += time.Duration(openJitter * random() * float64(wait))
	b.openUntil = now.Add(wait)
	return wait, true
}

// cancel ends a trial that has no result.
func (b *breaker) cancel() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures > 0 {
		b.openUntil = time.Time{}
	}
}

// failedInMail reports whether the last failure was one after the session was open.
func (b *breaker) failedInMail() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures > 0 && b.last.Stage != StageConnect
}

// nextTry returns the end of the open time, zero for a closed breaker.
func (b *breaker) nextTry() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures == 0 {
		return time.Time{}
	}
	return b.openUntil
}

// success closes the breaker.
func (b *breaker) success() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.openUntil, b.last = 0, time.Time{}, Verdict{}
}

// cause returns the reply or the error behind a verdict, as an error.
func cause(v Verdict) error {
	if v.Reply.Code != 0 {
		return errors.New(v.Reply.String())
	}
	return v.Err
}
