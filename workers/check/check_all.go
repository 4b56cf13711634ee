package check

import (
	"context"
	"iter"
	"sync"

	"vedette/pipeline/job"
)

// CheckAll runs checks, at most limit at once, and yields each result with the
// index of its spec as it arrives. There is a result for every spec: after the
// end of ctx, the remaining results are unknown. Ending the iteration cancels
// running checks.
func CheckAll(ctx context.Context, specs []job.Spec, limit int, check func(context.Context, job.Spec) job.ProbeResult) iter.Seq2[int, job.ProbeResult] {
	return func(yield func(int, job.ProbeResult) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer group.Wait()
		defer cancel()
		type indexed struct {
			index  int
			result job.ProbeResult
		}
		results := make(chan indexed, len(specs))
		indexes := make(chan int, len(specs))
		for index := range specs {
			indexes <- index
		}
		close(indexes)
		for range min(limit, len(specs)) {
			group.Go(func() {
				for index := range indexes {
					results <- indexed{index, check(ctx, specs[index])}
				}
			})
		}
		for range specs {
			if p := <-results; !yield(p.index, p.result) {
				return
			}
		}
	}
}
