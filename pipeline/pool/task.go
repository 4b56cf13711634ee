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

// task is one job that runs. The pool's loop owns it, but for the fence.
type task struct {
	message  *nats.Msg
	delivery pipeline.Delivery
	began    time.Time
	attempt  atomic.Int64
	err      error // the handler's, once the task has ended
	// fenced is true when the job has its fate: whatever else comes has no
	// effect on it. stuck is true when the handler did not decide it: what that
	// still wants to write is refused.
	fenced atomic.Bool
	stuck  atomic.Bool
	// run is the pool's, and yielded true when the handler has given its slot back.
	run     *run
	yielded atomic.Bool
	// cancel ends the handler's context; interrupted says that the pool did,
	// because it stops.
	cancel      context.CancelFunc
	interrupted atomic.Bool
}

// fence decides that nobody else may settle the job, and reports whether it
// was the first to do so.
func (t *task) fence() bool { return t.fenced.CompareAndSwap(false, true) }

// take fences the job off from its handler, and reports whether it still could.
func (t *task) take() bool {
	if !t.fence() {
		return false
	}
	t.stuck.Store(true)
	return true
}

// interrupt tells the handler that its pool stops.
func (t *task) interrupt() {
	t.interrupted.Store(true)
	t.cancel()
}

// PanicError is a handler's panic, or its Goexit.
type PanicError struct {
	Value any // nil for Goexit
	Stack []byte
}

// Error tells a panic from a Goexit.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "handler called runtime.Goexit"
	}
	return fmt.Sprintf("handler panicked: %v", e.Value)
}

// start runs the handler beside the loop.
func (r *run) start(work context.Context, message *nats.Msg) {
	delivery, redelivered, err := r.read(message)
	if err != nil {
		r.log.ErrorContext(work, "read delivery", "error", err) // not from JetStream: there is nothing to settle
		return
	}
	t := &task{message: message, delivery: delivery, began: time.Now(), run: r}
	t.attempt.Store(1)
	ctx, cancel := context.WithDeadline(pipeline.WithFence(work, t), t.began.Add(r.config.Timeout))
	t.cancel = cancel
	r.tasks[t] = struct{}{}
	r.running.Add(1)
	next := begun{ctx: ctx, task: t, redelivered: redelivered}
	select {
	case r.begun <- next:
	default: // all are at work
		go r.work(next)
	}
}

// begun is a job that is to be run.
type begun struct {
	ctx         context.Context //nolint:containedctx // on its way to the goroutine that it is for
	task        *task
	redelivered bool
}

// work runs jobs one after the other until the pool is over. A goroutine for
// each would grow its stack anew each time, which was a sixteenth of what a
// check cost. There are about as many as ever ran at once; one that a handler
// ends, or does not return to, is made good for by the next job.
func (r *run) work(next begun) {
	for {
		r.call(next.ctx, next.task, next.redelivered)
		select {
		case next = <-r.begun:
		case <-r.over:
			return
		}
	}
}

// call calls the handler, and turns each way of ending into an error or nil. What
// is simply done it acknowledges itself, which spares the loop the work, and the
// job another goroutine: together a third of what a job cost.
func (r *run) call(ctx context.Context, t *task, redelivered bool) {
	returned := false
	defer func() {
		if !returned { // a deferred call sees a panic and a Goexit alike; only a panic has a value
			t.err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
		t.cancel()
		if t.err == nil && !r.config.Confirm && t.fence() {
			r.acknowledged(ctx, t)
		}
		select {
		case r.ended <- t:
		case <-r.over: // it was stuck, and the pool has stopped without it
		}
	}()
	delivery := t.delivery
	if redelivered {
		delivery.Attempt = r.attempts.next(ctx, delivery.Sequence)
		t.attempt.Store(int64(delivery.Attempt))
	}
	t.err = t.interruption(r.config.Handler(ctx, delivery))
	returned = true
}

// interruption makes the error of a job whose pool stopped under it one that does not
// count as an attempt; a fate that the handler decided stands.
func (t *task) interruption(err error) error {
	var dead *job.DeadError
	var retry *job.RetryError
	if err == nil || !t.interrupted.Load() || errors.As(err, &dead) || errors.As(err, &retry) {
		return err
	}
	return job.Interrupted(err, 0)
}

// read turns a message into a delivery.
func (r *run) read(message *nats.Msg) (pipeline.Delivery, bool, error) {
	meta, err := message.Metadata()
	if err != nil {
		return pipeline.Delivery{}, false, fmt.Errorf("read metadata of %s: %w", message.Subject, err)
	}
	operation := message.Header.Get("KV-Operation")
	return pipeline.Delivery{
		Subject: r.p.Names().CutPrefix(message.Subject), Body: message.Data,
		Sequence: meta.Sequence.Stream, Stored: meta.Timestamp, Attempt: 1,
		FirstStored: pipeline.FirstStored(message.Header, meta.Timestamp), Reply: message.Header.Get(pipeline.HeaderReply), Header: message.Header,
		Deleted: operation == "DEL" || operation == "PURGE", Redelivered: meta.NumDelivered > 1,
	}, meta.NumDelivered > 1, nil
}

// finish takes in a task that ended, and settles its job beside the loop.
func (r *run) finish(ctx context.Context, t *task) {
	if _, mine := r.tasks[t]; !mine {
		r.log.WarnContext(ctx, "stuck job returned", "subject", t.delivery.Subject, "after", time.Since(t.began))
		return // its slot was given back when it was found stuck
	}
	r.left(t)
	if !t.fence() {
		return
	}
	r.settling.Go(func() { r.settle(ctx, t) })
}

// renew holds on to the jobs that run, and gives up those that are stuck, and
// all that can no longer be held: this process stood still, or was cut off from
// the server, for so long that others have them.
func (r *run) renew(ctx context.Context, now time.Time) {
	if now.Sub(r.held) > r.config.AckWait {
		r.lose(ctx)
	}
	if !r.p.Conn().IsConnected() {
		return
	}
	r.held = now
	for t := range r.tasks {
		if now.Sub(t.began) > r.config.Timeout+r.config.Grace {
			r.giveUp(ctx, t)
			continue
		}
		if t.stuck.Load() {
			continue // it was lost, and has been told
		}
		if err := t.message.InProgress(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			r.log.DebugContext(ctx, "renew hold", "subject", t.delivery.Subject, "error", err) // the next beat tries again
		}
	}
}

// lose tells the handlers of all jobs that these are no longer theirs. Each
// keeps its slot until it returns, so that no more than the limit run.
func (r *run) lose(ctx context.Context) {
	for t := range r.tasks {
		if !t.began.After(r.held) && t.take() {
			r.log.WarnContext(ctx, "hold on job was lost: it runs elsewhere", "subject", t.delivery.Subject, "sequence", t.delivery.Sequence)
			t.interrupt()
		}
	}
}

// giveUp takes the job from a handler that ignores its deadline, so that it
// costs the pool neither its slot nor the job.
func (r *run) giveUp(ctx context.Context, t *task) {
	ours := t.take()
	if !ours && !t.stuck.Load() {
		return // it is done, and about to be taken in
	}
	r.left(t)
	r.stuck.Add(1)
	r.tellStuck(ctx, t)
	if !ours {
		return // the job was lost before, and is somebody else's
	}
	// The handler may yet write to its own task, so the job goes on in another.
	failed := &task{message: t.message, delivery: t.delivery}
	failed.attempt.Store(t.attempt.Load())
	failed.err = fmt.Errorf("%w: no return %s after the deadline", ErrStuck, r.config.Grace)
	r.settling.Go(func() { r.settle(ctx, failed) })
}

// Closed reports whether the handler has lost the job.
func (t *task) Closed() bool { return t.stuck.Load() }
