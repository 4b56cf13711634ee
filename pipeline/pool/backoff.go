package pool

import (
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Backoff says how long a job waits before its next attempt: a pure function of
// the attempt, growing exponentially, never giving up by itself.
type Backoff struct {
	// Initial is the wait after the first attempt, Max the longest wait. They
	// default to 1s and 30m.
	Initial, Max time.Duration
	// Multiplier is by how much each wait exceeds the one before. Defaults to 2.5.
	Multiplier float64
	// Jitter is the part of the wait that is left to chance, 0 to 1: at 0.2 a
	// wait of 10 s is between 8 and 12 s. Zero means full jitter: anything
	// from nothing to the whole wait, which spreads a herd best.
	Jitter float64
}

// MailBackoff is the curve of alert mails: about 5 s, 13 s, 30 s, 75 s, 3 m, 8 m,
// 20 m and then every 30 m, each by a fifth more or less.
func MailBackoff() Backoff {
	return Backoff{Initial: 5 * time.Second, Max: 30 * time.Minute, Multiplier: 2.5, Jitter: 0.2}
}

func (c Backoff) withDefaults() Backoff {
	if c.Initial == 0 {
		c.Initial = time.Second
	}
	if c.Max == 0 {
		c.Max = 30 * time.Minute
	}
	if c.Multiplier == 0 {
		c.Multiplier = 2.5
	}
	return c
}

// Wait returns the wait after the given attempt, 1 being the first; chance is
// a number in [0, 1).
func (c Backoff) Wait(attempt int, chance float64) time.Duration {
	whole := c.whole(attempt)
	if c.Jitter == 0 {
		return time.Duration(chance * float64(whole))
	}
	return time.Duration(float64(whole) * (1 + c.Jitter*(2*chance-1)))
}

// whole is the wait before jitter. The library steps the exponential, and
// knows where it would overflow.
func (c Backoff) whole(attempt int) time.Duration {
	c = c.withDefaults()
	steps := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(c.Initial), backoff.WithMaxInterval(c.Max), backoff.WithMultiplier(c.Multiplier),
		backoff.WithRandomizationFactor(0), backoff.WithMaxElapsedTime(0))
	wait := steps.NextBackOff()
	for range attempt - 1 {
		if wait >= c.Max {
			break
		}
		wait = steps.NextBackOff()
	}
	return min(wait, c.Max)
}

func chance() float64 { return rand.Float64() }
