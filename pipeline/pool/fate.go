package pool

import (
	"errors"
	"time"

	"vedette/pipeline/job"
)

// fate is what becomes of a job, decided from its handler's error.
type fate struct {
	done    bool
	dead    job.Reason // empty unless it ends as a dead letter
	wait    time.Duration
	counted bool // the attempt counts
}

// maxPanics is how often a job may panic before it is set aside: whatever it
// does to the process, it must not do it for ever.
const maxPanics = 5

// decide is the whole policy of retries: a pure function of the handler's
// error, the attempt, the job's age and a number in [0, 1).
func (c Config) decide(err error, attempt int, age time.Duration, chance float64) fate {
	var dead *job.DeadError
	var retry *job.RetryError
	var panicked *PanicError
	switch {
	case err == nil:
		return fate{done: true}
	case errors.As(err, &dead):
		return fate{dead: dead.Reason}
	case errors.Is(err, job.ErrNewer):
		return c.leave(age, chance)
	case errors.As(err, &retry) && retry.Uncounted:
		return fate{wait: retry.After}
	case c.GiveUpAfter > 0 && age > c.GiveUpAfter:
		return fate{dead: job.ReasonGivenUp}
	case errors.As(err, &panicked) && attempt >= maxPanics:
		return fate{dead: job.ReasonPanic}
	case retry != nil:
		return fate{wait: retry.After, counted: true}
	default:
		return fate{wait: c.Backoff.Wait(attempt, chance), counted: true}
	}
}
