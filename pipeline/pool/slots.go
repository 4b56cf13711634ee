package pool

import (
	"context"

	"vedette/pipeline"
)

// Yield gives back the slot of the job that ctx is the context of, while the job
// is not done yet: what its handler still has to do is to wait, such as for the
// storing of a result together with others. The pool may begin another job in its
// place, but holds no more than twice its limit; the handler returns the job's
// fate as ever. In any other context it does nothing.
func Yield(ctx context.Context) {
	if t, ok := pipeline.FenceFrom(ctx).(*task); ok {
		t.yield()
	}
}

// yield is called by the handler, in its own goroutine.
func (t *task) yield() {
	if !t.yielded.CompareAndSwap(false, true) {
		return
	}
	run := t.run
	run.yielded.Add(1)
	if before := run.running.Add(-1) + 1; before < run.limit.Load()*3/4 {
		return // there is room, for which the loop has asked
	}
	select {
	case run.room <- struct{}{}:
	default: // the loop has not yet seen the token before, and will see this slot with it
	}
}

// left has the loop forget a job, which may have given its slot back before.
func (r *run) left(t *task) {
	delete(r.tasks, t)
	if t.yielded.Swap(true) { // from now on there is nothing to give back
		r.yielded.Add(-1)
	} else {
		r.running.Add(-1)
	}
}

// free is how many slots nothing runs in; negative for a while after the limit
// was lowered.
func (r *run) free() int {
	limit := int(r.limit.Load())
	return min(limit-len(r.tasks)+int(r.yielded.Load()), 2*limit-len(r.tasks))
}
