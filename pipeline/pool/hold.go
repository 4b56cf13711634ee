package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// The server delivers a job again unless the hold on it is renewed in time.

// renew renews the hold on running jobs. It gives up stuck jobs, and all jobs
// whose hold has expired: this process stood still, or was disconnected, for so
// long that other processes have them.
func (r *run) renew(ctx context.Context, now time.Time) {
	if now.Sub(r.held) > r.config.AckWait {
		r.lose(ctx)
	}
	if !r.p.Connected() {
		return
	}
	r.held = now
	for t := range r.tasks {
		if now.Sub(t.began) > r.config.Timeout+r.config.Grace {
			r.giveUp(ctx, t)
			continue
		}
		if t.stuck.Load() {
			continue // it was lost and interrupted
		}
		if err := t.message.InProgress(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			r.log.DebugContext(ctx, "hold on job was not renewed; retrying", "subject", t.delivery.Subject, "error", err)
		}
	}
}

// lose interrupts all handlers whose jobs other processes may have. Each keeps
// its slot until it returns, so that the limit holds.
func (r *run) lose(ctx context.Context) {
	for t := range r.tasks {
		if !t.began.After(r.held) && t.take() {
			r.log.WarnContext(ctx, "hold on job was lost; it runs elsewhere", "subject", t.delivery.Subject, "sequence", t.delivery.Sequence)
			t.interrupt()
		}
	}
}

// giveUp takes the job from a handler that ignores its deadline, so that neither
// the slot nor the job is lost.
func (r *run) giveUp(ctx context.Context, t *task) {
	ours := t.take()
	if !ours && !t.stuck.Load() {
		return // it is done, and about to be finished
	}
	r.remove(t)
	r.stuck.Add(1)
	r.reportStuck(ctx, t)
	if !ours {
		return // the job was lost before
	}
	// The handler may still write to its task, so the job gets another one.
	failed := &task{message: t.message, delivery: t.delivery}
	failed.attempt.Store(t.attempt.Load())
	failed.err = fmt.Errorf("%w: no return %s after the deadline", ErrStuck, r.config.Grace)
	r.settling.Go(func() { r.settle(ctx, failed) })
}
