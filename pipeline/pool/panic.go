package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline/job"
)

// tellPanic tells the operators of a handler's panic, if that is what it came
// to. The same panic is told once an hour.
func (r *run) tellPanic(ctx context.Context, t *task) {
	panicked, ok := errors.AsType[*PanicError](t.err)
	if !ok {
		return
	}
	err := r.p.Notify(ctx, job.PanicNotice("stage "+r.config.Stage, t.delivery.Subject, panicked.Error(), panicked.Stack, time.Now()))
	if err != nil {
		r.log.WarnContext(ctx, "tell operators of panic", "error", fmt.Errorf("notify: %w", err))
	}
}
