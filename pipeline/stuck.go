package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"vedette/pipeline/job"
)

// tellStuck tells the log and the operators of a handler that ignores the end
// of its context, and where it hangs.
func (r *poolRun) tellStuck(ctx context.Context, t *task) {
	stack := stackOf(t)
	r.log.ErrorContext(ctx, "job is stuck: it ignores the end of its context",
		"subject", t.delivery.Subject, "sequence", t.delivery.Sequence, "stack", stack)
	notice := job.Notice{
		Kind: job.NoticeStuck,
		ID:   job.DeriveID("stuck", string(r.config.Stream), r.config.Name, strconv.FormatUint(t.delivery.Sequence, 10), t.began.UTC().Format(time.RFC3339Nano)),
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

const (
	// maxStacks bounds what is read of all stacks, maxStack what is told of one.
	maxStacks = 4 << 20
	maxStack  = 8 << 10
)

// stackOf returns the stack of the goroutine that runs a task. It is known by
// the task's address among the arguments of run: a number of its own for each
// goroutine would cost every job a microsecond, for the sake of the one that
// hangs. Where the address cannot be found, every handler's stack is returned.
func stackOf(t *task) string {
	buffer := make([]byte, maxStacks)
	all := bytes.Split(buffer[:runtime.Stack(buffer, true)], []byte("\n\n"))
	address := fmt.Appendf(nil, "%p", t)
	var handlers, own [][]byte
	for _, stack := range all {
		_, frame, found := bytes.Cut(stack, []byte("(*poolRun).run("))
		if !found {
			continue
		}
		handlers = append(handlers, stack)
		arguments, _, _ := bytes.Cut(frame, []byte("\n"))
		if bytes.Contains(arguments, address) {
			own = append(own, stack)
		}
	}
	if len(own) > 0 {
		handlers = own
	}
	joined := bytes.Join(handlers, []byte("\n\n"))
	return string(joined[:min(len(joined), maxStack)])
}
