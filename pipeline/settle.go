package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"vedette/pipeline/job"
)

// settleTimeout bounds the settling of one job. One that is not settled by
// then comes again once its hold has passed.
const settleTimeout = 10 * time.Second

// settle carries out the fate of a job.
func (r *poolRun) settle(ctx context.Context, t *task) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	verdict := r.config.decide(t.err, int(t.attempt.Load()), time.Since(t.delivery.Stored), chance())
	if err := r.carryOut(ctx, t, verdict); err != nil {
		r.log.WarnContext(ctx, "settle job", "subject", t.delivery.Subject, "sequence", t.delivery.Sequence, "error", err)
	}
}

// acknowledged settles a job that is done, without waiting for the server's
// word. Should ours get lost, the job comes again once its hold has passed.
func (r *poolRun) acknowledged(ctx context.Context, t *task) {
	r.done.Add(1)
	if err := t.message.Ack(); err != nil {
		r.log.WarnContext(ctx, "settle job", "subject", t.delivery.Subject, "sequence", t.delivery.Sequence, "error", err)
	}
}

func (r *poolRun) carryOut(ctx context.Context, t *task, verdict fate) error {
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
		if err := r.bury(ctx, t, verdict.dead); err != nil {
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

func (r *poolRun) ack(ctx context.Context, message *nats.Msg) error {
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

// bury stores the job as a dead letter, and says so to whoever asked.
func (r *poolRun) bury(ctx context.Context, t *task, reason job.Reason) error {
	letter := DeadLetter{
		Stage: r.config.Stage, Subject: t.delivery.Subject, Body: t.delivery.Body, Reason: reason, Error: oneLine(t.err),
		Attempts: int(t.attempt.Load()), FirstStoredAt: t.delivery.FirstStored, Worker: r.p.config.Process,
	}
	if r.config.Stream == Dead {
		return nil // a letter about a letter, and so on, would fill the stream; the log has it
	}
	subject := r.p.names.Subject(deadSubject(r.config.Stream, r.config.Name, t.delivery.Sequence))
	if err := r.p.publish(ctx, letter.message(subject)); err != nil && !errors.Is(err, ErrOccupied) {
		return fmt.Errorf("bury job: %w", err)
	}
	if r.config.OnDeadLetter == nil {
		return nil
	}
	if err := r.config.OnDeadLetter(ctx, t.delivery, letter); err != nil {
		return fmt.Errorf("tell of buried job: %w", err)
	}
	return nil
}

func cutPrefix(subject, prefix string) string {
	return strings.TrimPrefix(subject, prefix+".")
}

// attemptLog counts the attempts at jobs that failed. The broker's own count
// of deliveries would count interruptions too.
type attemptLog struct {
	bucket *Bucket
	prefix string
}

type attemptRecord struct {
	V        int `json:"v"`
	Attempts int `json:"attempts"`
}

func (a *attemptLog) key(sequence uint64) string {
	return a.prefix + "." + strconv.FormatUint(sequence, 10)
}

// next returns the number of the attempt that begins. When the count cannot be
// read the job runs all the same, as a first attempt: it waits less than it
// should have.
func (a *attemptLog) next(ctx context.Context, sequence uint64) int {
	found, err := a.bucket.Get(ctx, a.key(sequence))
	if err != nil {
		return 1
	}
	var record attemptRecord
	if err := json.Unmarshal(found.Value, &record); err != nil {
		return 1
	}
	return record.Attempts + 1
}

// count records that attempts have been made at a job.
func (a *attemptLog) count(ctx context.Context, sequence uint64, attempts int) error {
	body, err := job.Encode(attemptRecord{V: job.Version, Attempts: attempts})
	if err != nil {
		return err
	}
	_, err = a.bucket.Put(ctx, a.key(sequence), body)
	return err
}
