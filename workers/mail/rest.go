package mail

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// rest keeps a relay from being dialled while it is of no use: it is the
// circuit breaker of one relay. After a failure no session is opened for a
// while; then one is tried, and the others wait for what it finds.
type rest struct {
	mu       sync.Mutex
	failures int
	until    time.Time
	failedAt time.Time
	last     Verdict
	// chance, from 0 to 1, is drawn for each rest; nil draws at random.
	chance func() float64
}

const (
	maxRelayRest  = 30 * time.Second
	maxConfigRest = 30 * time.Minute
	// trialTime is how long the others wait for the one that tries.
	trialTime = 30 * time.Second
)

// restAfter is how long a relay rests after so many failures in a row: 1 s, 2 s,
// 4 s and up to 30 s when it is away, 1 min up to 30 min when it refuses our
// settings.
func restAfter(class Class, failures int) time.Duration {
	wait, limit := time.Second, maxRelayRest
	if class == ClassConfig {
		wait, limit = time.Minute, maxConfigRest
	}
	for range failures - 1 {
		wait = min(2*wait, limit)
	}
	return wait
}

// restSpread is by what part a rest may be longer than after so many failures alone:
// processes that a relay refused together look for it one after the other.
const restSpread = 0.25

// longer makes a rest longer, by a chance from 0 to 1.
func longer(wait time.Duration, chance float64) time.Duration {
	return wait + time.Duration(restSpread*chance*float64(wait))
}

// admit says whether a session may be opened now: if not, how long not and
// what the last failure was.
func (r *rest) admit(now time.Time) (wait time.Duration, last Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.until) {
		last = r.last
		last.Err = fmt.Errorf("relay rests after %d failures: %w", r.failures, causeOf(r.last))
		last.Reply = Reply{}
		return r.until.Sub(now), last
	}
	if r.failures > 0 {
		r.until = now.Add(trialTime)
	}
	return 0, Verdict{}
}

// resting tells whether no session may be opened now.
func (r *rest) resting(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until)
}

// due tells whether the relay has failed, and has rested since.
func (r *rest) due(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures > 0 && !now.Before(r.until)
}

// awake tells whether the relay has not failed since it last worked.
func (r *rest) awake() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures == 0
}

// failed counts a failure of a dial that began at the time began, and returns
// how long the relay rests now; first is true if this failure began the rest.
// Of several dials at once only the first counts.
func (r *rest) failed(began, now time.Time, v Verdict) (wait time.Duration, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if began.Before(r.failedAt) {
		return max(r.until.Sub(now), 0), false
	}
	r.failures++
	r.failedAt, r.last = now, v
	chance := rand.Float64
	if r.chance != nil {
		chance = r.chance
	}
	r.until = now.Add(longer(restAfter(v.Class, r.failures), chance()))
	return r.until.Sub(now), true
}

// abandoned takes back an attempt that was given up before it was decided.
func (r *rest) abandoned() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures > 0 {
		r.until = time.Time{}
	}
}

// succeeded ends the rest.
func (r *rest) succeeded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures, r.until, r.last = 0, time.Time{}, Verdict{}
}

// causeOf is the reply or the error that decided, as an error.
func causeOf(v Verdict) error {
	if v.Reply.Code != 0 {
		return errors.New(v.Reply.String())
	}
	return v.Err
}
