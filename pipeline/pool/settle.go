package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// settleTimeout bounds the settling of one job. A job that is not settled is
// delivered again once its hold has expired.
const settleTimeout = 10 * time.Second

// settle decides and carries out a job's fate.
func (r *run) settle(ctx context.Context, t *task) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	decided := r.config.decide(t.err, int(t.attempt.Load()), r.p.Clock().Since(t.delivery.Stored), chance())
	if err := r.carryOut(ctx, t, decided); err != nil {
		r.logUnsettled(ctx, t, err)
	}
}

// acknowledge settles a job that is done, without waiting for the server's
// answer. If the acknowledgement is lost, the job is delivered again.
func (r *run) acknowledge(ctx context.Context, t *task) {
	r.done.Add(1)
	if err := t.message.Ack(); err != nil {
		r.logUnsettled(ctx, t, err)
	}
}

func (r *run) logUnsettled(ctx context.Context, t *task, err error) {
	r.log.WarnContext(ctx, "job was not settled; it will be delivered again", "subject", t.delivery.Subject, "sequence", t.delivery.Sequence, "error", err)
}

func (r *run) carryOut(ctx context.Context, t *task, decided fate) error {
	log := r.log.With("subject", t.delivery.Subject, "attempt", t.attempt.Load())
	switch {
	case decided.done:
		r.done.Add(1)
		return r.ack(ctx, t.message)
	case errors.Is(t.err, job.ErrNewer) && decided.dead == "":
		log.DebugContext(ctx, "job is left to a newer process", "retry_in", decided.wait, "error", t.err)
		r.reportNewer(ctx, t)
		return nak(t.message, decided.wait)
	case decided.dead != "":
		r.failed.Add(1)
		log.ErrorContext(ctx, "job is dead", "reason", decided.dead, "error", t.err)
		r.reportPanic(ctx, t)
		if err := r.deadLetter(ctx, t, decided.dead); err != nil {
			return err
		}
		return r.ack(ctx, t.message)
	case decided.counted:
		r.failed.Add(1)
		logFailure(log.With("retry_in", decided.wait), t.err)
		r.reportPanic(ctx, t)
		if err := r.attempts.count(ctx, t.delivery.Sequence, int(t.attempt.Load())); err != nil {
			return err
		}
		return nak(t.message, decided.wait)
	default:
		log.DebugContext(ctx, "job was interrupted", "retry_in", decided.wait, "error", t.err)
		return nak(t.message, decided.wait)
	}
}

// logFailure logs a failure, with a panic's stack.
func logFailure(log *slog.Logger, err error) {
	if panicked, ok := errors.AsType[*PanicError](err); ok {
		log.Error("job panicked", "error", err, "stack", string(panicked.Stack))
		return
	}
	log.Warn("job failed", "error", err)
}

func nak(message *nats.Msg, wait time.Duration) error {
	if err := message.NakWithDelay(wait); err != nil {
		return fmt.Errorf("give back: %w", err)
	}
	return nil
}

func (r *run) ack(ctx context.Context, message *nats.Msg) error {
	var err error
	if r.config.Confirm {
		err = message.AckSync(nats.Context(ctx))
	} else {
		err = message.Ack()
	}
	if err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}

// deadLetter stores the job as a dead letter, and calls OnDeadLetter.
func (r *run) deadLetter(ctx context.Context, t *task, reason job.Reason) error {
	if r.config.Consumer.Stream == topology.Dead {
		return nil // dead letters about dead letters would fill the stream; the log has it
	}
	dead := deadletter.Letter{
		Stage: r.config.Stage, Subject: t.delivery.Subject, Body: t.delivery.Body, Reason: reason, Error: deadletter.OneLine(t.err.Error()),
		Attempts: int(t.attempt.Load()), FirstStoredAt: t.delivery.FirstStored, Worker: r.p.Process(), Sequence: t.delivery.Sequence,
	}
	if err := deadletter.Store(ctx, r.p, dead, r.config.Consumer); err != nil {
		return err
	}
	if r.config.OnDeadLetter == nil {
		return nil
	}
	if err := r.config.OnDeadLetter(ctx, t.delivery, dead); err != nil {
		return fmt.Errorf("report dead letter: %w", err)
	}
	return nil
}

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
