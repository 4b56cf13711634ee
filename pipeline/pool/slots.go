package pool

import (
	"context"

	"vedette/pipeline"
)

// Yield gives back the slot of the job with the context ctx before the job is
// done, when its handler only has to wait, for example until a result is stored
// together with others. The pool may start another job in its place, but has at
// most twice its limit; the handler still returns the job's fate. In any other
// context Yield does nothing.
func Yield(ctx context.Context) {
	if t, ok := pipeline.FenceFrom(ctx).(*task); ok {
		t.yield()
	}
}

// yield runs in the handler's goroutine.
func (t *task) yield() {
	if !t.yielded.CompareAndSwap(false, true) {
		return
	}
	run := t.run
	run.yielded.Add(1)
	if before := run.running.Add(-1) + 1; before >= run.limit.Load()*3/4 { // with fewer, the loop has asked for the free slots
		signal(run.room)
	}
}

// remove removes a task, which may have given its slot back before.
func (r *run) remove(t *task) {
	delete(r.tasks, t)
	if t.yielded.Swap(true) { // from now on there is no slot to give back
		r.yielded.Add(-1)
	} else {
		r.running.Add(-1)
	}
}

// free is the number of free slots, negative for a while after the limit was
// lowered.
func (r *run) free() int {
	limit := int(r.limit.Load())
	return min(limit-len(r.tasks)+int(r.yielded.Load()), 2*limit-len(r.tasks))
}
