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

// settleTimeout bounds the settling of one job. One that is not settled by
// then comes again once its hold has passed.
const settleTimeout = 10 * time.Second

// settle carries out the fate of a job.
func (r *run) settle(ctx context.Context, t *task) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	verdict := r.config.decide(t.err, int(t.attempt.Load()), time.Since(t.delivery.Stored), chance())
	if err := r.carryOut(ctx, t, verdict); err != nil {
		r.log.WarnContext(ctx, "settle job", "subject", t.delivery.Subject, "sequence", t.delivery.Sequence, "error", err)
	}
}

// acknowledged settles a job that is done, without waiting for the server's
// word. Should ours get lost, the job comes again once its hold has passed.
func (r *run) acknowledged(ctx context.Context, t *task) {
	r.done.Add(1)
	if err := t.message.Ack(); err != nil {
		r.log.WarnContext(ctx, "settle job", "subject", t.delivery.Subject, "sequence", t.delivery.Sequence, "error", err)
	}
}

func (r *run) carryOut(ctx context.Context, t *task, verdict fate) error {
	log := r.log.With("subject", t.delivery.Subject, "attempt", t.attempt.Load())
	switch {
	case verdict.done:
		r.done.Add(1)
		return r.ack(ctx, t.message)
	case errors.Is(t.err, job.ErrNewer) && verdict.dead == "":
		log.DebugContext(ctx, "job is left to a newer process", "retry_in", verdict.wait, "error", t.err)
		r.tellNewer(ctx, t)
		return nak(t.message, verdict.wait)
	case verdict.dead != "":
		r.failed.Add(1)
		log.ErrorContext(ctx, "job is dead", "reason", verdict.dead, "error", t.err)
		r.tellPanic(ctx, t)
		if err := r.deadLetter(ctx, t, verdict.dead); err != nil {
			return err
		}
		return r.ack(ctx, t.message)
	case verdict.counted:
		r.failed.Add(1)
		logFailure(log.With("retry_in", verdict.wait), t.err)
		r.tellPanic(ctx, t)
		if err := r.attempts.count(ctx, t.delivery.Sequence, int(t.attempt.Load())); err != nil {
			return err
		}
		return nak(t.message, verdict.wait)
	default:
		log.DebugContext(ctx, "job was interrupted", "retry_in", verdict.wait, "error", t.err)
		return nak(t.message, verdict.wait)
	}
}

// logFailure shows a failure, and the stack of one that was a panic.
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

// deadLetter stores the job as a dead letter, and says so to whoever asked.
func (r *run) deadLetter(ctx context.Context, t *task, reason job.Reason) error {
	letter := deadletter.Letter{
		Stage: r.config.Stage, Subject: t.delivery.Subject, Body: t.delivery.Body, Reason: reason, Error: t.err.Error(),
		Attempts: int(t.attempt.Load()), FirstStoredAt: t.delivery.FirstStored, Worker: r.p.Process(), Sequence: t.delivery.Sequence,
	}
	if r.config.Consumer.Stream == topology.Dead {
		return nil // a letter about a letter, and so on, would fill the stream; the log has it
	}
	if err := deadletter.Store(ctx, r.p, letter, r.config.Consumer); err != nil {
		return err
	}
	if r.config.OnDeadLetter == nil {
		return nil
	}
	if err := r.config.OnDeadLetter(ctx, t.delivery, letter); err != nil {
		return fmt.Errorf("report dead letter: %w", err)
	}
	return nil
}
