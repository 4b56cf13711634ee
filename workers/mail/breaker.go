package mail

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// breaker keeps a relay from being dialled while it is of no use: it is the
// circuit breaker of one relay. After a failure no session is opened for a
// while; then one is tried, and the others wait for what it finds.
type breaker struct {
	mu       sync.Mutex
	failures int
	openUntil    time.Time
	failedAt time.Time
	last     Verdict
	// random, from 0 to 1, is drawn for each rest; nil draws at random.
	random func() float64
}

const (
	maxRelayOpen  = 30 * time.Second
	maxConfigOpen = 30 * time.Minute
	// trialTimeout is how long the others wait for the one that tries.
	trialTimeout = 30 * time.Second
)

// openTime is how long a relay rests after so many failures in a row: 1 s, 2 s,
// 4 s and up to 30 s when it is away, 1 min up to 30 min when it refuses our
// settings.
func openTime(class Class, failures int) time.Duration {
	wait, limit := time.Second, maxRelayOpen
	if class == ClassConfig {
		wait, limit = time.Minute, maxConfigOpen
	}
	for range failures - 1 {
		wait = min(2*wait, limit)
	}
	return wait
}

// openJitter is by what part a rest may be longer than after so many failures alone:
// processes that a relay refused together look for it one after the other.
const openJitter = 0.25

// jittered makes a rest longer, by a chance from 0 to 1.
func jittered(wait time.Duration, chance float64) time.Duration {
	return wait + time.Duration(openJitter*chance*float64(wait))
}

// allow says whether a session may be opened now: if not, how long not and
// what the last failure was.
func (r *breaker) allow(now time.Time) (wait time.Duration, last Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.openUntil) {
		last = r.last
		last.Err = fmt.Errorf("relay rests after %d failures: %w", r.failures, cause(r.last))
		last.Reply = Reply{}
		return r.openUntil.Sub(now), last
	}
	if r.failures > 0 {
		r.openUntil = now.Add(trialTimeout)
	}
	return 0, Verdict{}
}

// open tells whether no session may be opened now.
func (r *breaker) open(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.openUntil)
}

// halfOpen tells whether the relay has failed, and has rested since.
func (r *breaker) halfOpen(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures > 0 && !now.Before(r.openUntil)
}

// closed tells whether the relay has not failed since it last worked.
func (r *breaker) closed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures == 0
}

// failure counts a failure of a dial that began at the time began, and returns
// how long the relay rests now; first is true if this failure began the rest.
// Of several dials at once only the first counts.
func (r *breaker) failure(began, now time.Time, v Verdict) (wait time.Duration, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if began.Before(r.failedAt) {
		return max(r.openUntil.Sub(now), 0), false
	}
	r.failures++
	r.failedAt, r.last = now, v
	chance := rand.Float64
	if r.random != nil {
		chance = r.random
	}
	r.openUntil = now.Add(jittered(openTime(v.Class, r.failures), chance()))
	return r.openUntil.Sub(now), true
}

// abandonedAfter takes back an attempt that was given up before it was decided.
func (r *breaker) cancel() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures > 0 {
		r.openUntil = time.Time{}
	}
}

// success ends the rest.
func (r *breaker) success() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures, r.openUntil, r.last = 0, time.Time{}, Verdict{}
}

// cause is the reply or the error that decided, as an error.
func cause(v Verdict) error {
	if v.Reply.Code != 0 {
		return errors.New(v.Reply.String())
	}
	return v.Err
}
