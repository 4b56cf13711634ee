package pool

import (
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Backoff is how long a job waits before its next attempt: a pure function of
// the attempt that grows exponentially and never gives up.
type Backoff struct {
	// Initial is the wait after the first attempt, Max the longest wait. They
	// default to 1s and 30m.
	Initial, Max time.Duration
	// Multiplier is the ratio of each wait to the previous one. Defaults to 2.5.
	Multiplier float64
	// Jitter is the random part of the wait, 0 to 1: at 0.2 a wait of 10 s is
	// between 8 and 12 s. Zero means full jitter, from zero to the whole wait,
	// which spreads many jobs best.
	Jitter float64
}

// MailBackoff is for mails: about 5 s, 13 s, 30 s, 75 s, 3 m, 8 m, 20 m and then
// every 30 m, each plus or minus a fifth.
func MailBackoff() Backoff {
	return Backoff{Initial: 5 * time.Second, Max: 30 * time.Minute, Multiplier: 2.5, Jitter: 0.2}
}

func (b Backoff) withDefaults() Backoff {
	if b.Initial == 0 {
		b.Initial = time.Second
	}
	if b.Max == 0 {
		b.Max = 30 * time.Minute
	}
	if b.Multiplier == 0 {
		b.Multiplier = 2.5
	}
	return b
}

// Wait returns the wait after an attempt, the first of which is 1; chance is a
// random number in [0, 1).
func (b Backoff) Wait(attempt int, chance float64) time.Duration {
	whole := b.whole(attempt)
	if b.Jitter == 0 {
		return time.Duration(chance * float64(whole))
	}
	return time.Duration(float64(whole) * (1 + b.Jitter*(2*chance-1)))
}

// whole is the wait before jitter. The library's steps avoid an overflow.
func (b Backoff) whole(attempt int) time.Duration {
	b = b.withDefaults()
	steps := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(b.Initial), backoff.WithMaxInterval(b.Max), backoff.WithMultiplier(b.Multiplier),
		backoff.WithRandomizationFactor(0), backoff.WithMaxElapsedTime(0))
	wait := steps.NextBackOff()
	for range attempt - 1 {
		if wait >= b.Max {
			break
		}
		wait = steps.NextBackOff()
	}
	return min(wait, b.Max)
}

func chance() float64 { return rand.Float64() }
