package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// task is one running job. The pool's loop owns it, except for the fence.
type task struct {
	message  *nats.Msg
	delivery pipeline.Delivery
	began    time.Time
	attempt  atomic.Int64
	err      error // the handler's, once the task has ended
	// fenced is true when the job's fate is decided; later events have no effect
	// on it. stuck is true when the handler did not decide it; its later writes
	// are refused.
	fenced atomic.Bool
	stuck  atomic.Bool
	// yielded is true when the handler has given its slot back.
	run     *run
	yielded atomic.Bool
	// cancel ends the handler's context; interrupted means that the pool did so
	// because it stops.
	cancel      context.CancelFunc
	interrupted atomic.Bool
}

// fence claims the right to settle the job, and reports whether it was free.
func (t *task) fence() bool { return t.fenced.CompareAndSwap(false, true) }

// take takes the job away from its handler, and reports whether it still could.
func (t *task) take() bool {
	if !t.fence() {
		return false
	}
	t.stuck.Store(true)
	return true
}

// Closed reports whether the handler has lost the job.
func (t *task) Closed() bool { return t.stuck.Load() }

// interrupt asks the handler to return because its pool stops.
func (t *task) interrupt() {
	t.interrupted.Store(true)
	t.cancel()
}

// PanicError is a panic or a Goexit in a handler.
type PanicError struct {
	Value any // nil for Goexit
	Stack []byte
}

// Error distinguishes a panic from a Goexit.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "handler called runtime.Goexit"
	}
	return fmt.Sprintf("handler panicked: %v", e.Value)
}

// start runs the handler in another goroutine.
func (r *run) start(work context.Context, message *nats.Msg) {
	delivery, err := r.read(message)
	if err != nil {
		r.log.ErrorContext(work, "message is not a delivery from JetStream", "error", err) // so it cannot be settled
		return
	}
	t := &task{message: message, delivery: delivery, began: time.Now(), run: r}
	t.attempt.Store(1)
	ctx, cancel := context.WithDeadline(pipeline.WithFence(work, t), t.began.Add(r.config.Timeout))
	t.cancel = cancel
	r.tasks[t] = struct{}{}
	r.running.Add(1)
	next := begun{ctx: ctx, task: t}
	select {
	case r.begun <- next:
	default: // no goroutine is idle
		go r.work(next)
	}
}

// begun is a job for a goroutine.
type begun struct {
	ctx  context.Context //nolint:containedctx // on its way to the goroutine that it is for
	task *task
}

// work runs one job after the other until the pool is over. A new goroutine for
// each job would grow its stack each time, a sixteenth of the cost of a check.
// There are about as many as ever ran at once; the next job replaces one that a
// handler ended or blocks.
func (r *run) work(next begun) {
	for {
		r.call(next.ctx, next.task)
		select {
		case next = <-r.begun:
		case <-r.over:
			return
		}
	}
}

// call calls the handler, and turns each way to end into an error or nil. It
// acknowledges a job that is done, which saves work in the loop and another
// goroutine: together a third of a job's cost.
func (r *run) call(ctx context.Context, t *task) {
	returned := false
	defer func() {
		if !returned { // a deferred call sees a panic and a Goexit alike; only a panic has a value
			t.err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
		t.cancel()
		if t.err == nil && !r.config.Confirm && t.fence() {
			r.acknowledge(ctx, t)
		}
		select {
		case r.ended <- t:
		case <-r.over: // it was stuck, and the pool has stopped without it
		}
	}()
	delivery := t.delivery
	if delivery.Redelivered || delivery.Sequence <= r.earlier {
		delivery.Attempt = r.attempts.next(ctx, delivery.Sequence)
		t.attempt.Store(int64(delivery.Attempt))
	}
	t.err = t.interruption(r.config.Handler(ctx, delivery))
	returned = true
}

// interruption makes the error of an interrupted job one that counts no attempt,
// unless the handler decided the job's fate.
func (t *task) interruption(err error) error {
	var dead *job.DeadError
	var retry *job.RetryError
	if err == nil || !t.interrupted.Load() || errors.As(err, &dead) || errors.As(err, &retry) {
		return err
	}
	return job.Interrupted(err, 0)
}

// read turns a message into a delivery.
func (r *run) read(message *nats.Msg) (pipeline.Delivery, error) {
	meta, err := message.Metadata()
	if err != nil {
		return pipeline.Delivery{}, fmt.Errorf("read metadata of %s: %w", message.Subject, err)
	}
	operation := message.Header.Get("KV-Operation")
	return pipeline.Delivery{
		Subject: r.p.Names().CutPrefix(message.Subject), Body: message.Data,
		Sequence: meta.Sequence.Stream, Stored: meta.Timestamp, Attempt: 1,
		FirstStored: pipeline.FirstStored(message.Header, meta.Timestamp), Reply: message.Header.Get(pipeline.HeaderReply), Header: message.Header,
		Deleted: operation == "DEL" || operation == "PURGE", Redelivered: meta.NumDelivered > 1,
	}, nil
}
