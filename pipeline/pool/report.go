package pool

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
)

// reportStuck logs a handler that ignores the end of its context, and notifies
// the operators, both with its stack.
func (r *run) reportStuck(ctx context.Context, t *task) {
	stack := supervise.Stack("(*run).call(", t)
	r.log.ErrorContext(ctx, "job is stuck: it ignores the end of its context",
		"subject", t.delivery.Subject, "sequence", t.delivery.Sequence, "stack", stack)
	notice := job.Notice{
		Kind: job.NoticeStuckJob,
		ID:   job.DeriveID("stuck", string(r.config.Consumer.Stream), r.config.Consumer.Name, strconv.FormatUint(t.delivery.Sequence, 10), t.began.UTC().Format(time.RFC3339Nano)),
		Summary: fmt.Sprintf("a job of stage %s ignored the end of its context and was taken from its handler: %s, running for %s",
			r.config.Stage, t.delivery.Subject, time.Since(t.began).Truncate(time.Millisecond)),
		Detail: stack,
	}
	r.settling.Go(func() {
		limited, cancel := context.WithTimeout(ctx, settleTimeout)
		defer cancel()
		r.notify(limited, notice)
	})
}

// reportPanic notifies the operators if a task failed by a panic, once an hour
// for the same panic.
func (r *run) reportPanic(ctx context.Context, t *task) {
	if panicked, ok := errors.AsType[*PanicError](t.err); ok {
		r.notify(ctx, job.Panic{Part: "stage " + r.config.Stage, Input: t.delivery.Subject, Message: panicked.Error(), Stack: string(panicked.Stack)}.Notice(time.Now()))
	}
}

// newerNotices is the interval between notices about jobs of a newer version.
const newerNotices = time.Hour

// reportNewer notifies the operators about a job that this process does not
// understand.
func (r *run) reportNewer(ctx context.Context, t *task) {
	now := time.Now()
	last := r.newer.Load()
	if last != 0 && now.Sub(time.Unix(0, last)) < newerNotices || !r.newer.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	r.notify(ctx, job.Notice{
		Kind: job.NoticeNewer, ID: job.DeriveID("newer", r.config.Consumer.Name, now.UTC().Truncate(newerNotices).Format(time.RFC3339)),
		Summary: fmt.Sprintf("stage %s leaves %s to a newer process: %v", r.config.Stage, t.delivery.Subject, t.err),
	})
}

func (r *run) notify(ctx context.Context, notice job.Notice) {
	if err := r.p.Notify(ctx, notice); err != nil {
		r.log.WarnContext(ctx, "notice was not stored", "kind", notice.Kind, "error", err)
	}
}
