package pool

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
)

// tellStuck tells the log and the operators of a handler that ignores the end
// of its context, and where it hangs.
func (r *run) tellStuck(ctx context.Context, t *task) {
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
		if err := r.p.Notify(limited, notice); err != nil {
			r.log.WarnContext(ctx, "tell operators of stuck job", "error", err)
		}
	})
}
