package pool

import (
	"errors"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// fate is what becomes of a job after an attempt.
type fate struct {
	done    bool
	dead    job.Reason // set for a dead letter
	wait    time.Duration
	counted bool // the attempt counts
}

// maxPanics is how often a job may panic before it becomes a dead letter.
const maxPanics = 5

// decide is the whole retry policy: a pure function of the handler's error, the
// attempt, the job's age and a random number in [0, 1).
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
		return c.decideNewer(age, chance)
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

// A job of a newer version is no failure. It returns to its queue without a
// counted attempt until a newer process takes it. Jobs from clients and alerts,
// whose number is not bounded, must not block the others for ever: after
// newerPatience they are parked as dead letters, which the stage maintain of a
// newer process replays. The pipeline's own messages are bounded, and wait.
const (
	newerPatience = time.Minute
	minNewerWait  = 250 * time.Millisecond
	maxNewerWait  = 30 * time.Second
)

// decideNewer decides the fate of a job of a newer version. At first it is
// offered often, since a newer process takes it within moments if there is one.
func (c Config) decideNewer(age time.Duration, chance float64) fate {
	if age > newerPatience && isUnbounded(c.Consumer.Stream) {
		return fate{dead: job.ReasonUnsupported}
	}
	wait := min(maxNewerWait, max(minNewerWait, age/4))
	return fate{wait: time.Duration(float64(wait) * (0.75 + chance/2))}
}

// isUnbounded reports whether a stream has jobs from clients or alerts.
func isUnbounded(stream topology.Stream) bool {
	return stream == topology.Adhoc || stream == topology.Call || stream == topology.Mail
}
