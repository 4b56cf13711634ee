package check

import (
	"context"
	"iter"
	"sync"

	"vedette/pipeline/job"
)

// CheckAll makes many checks, at most limit at once, and gives each result with
// the place of its spec, as it comes. There is an result for each spec: when
// ctx ends, those of the others are unknown. Ending the iteration early ends
// the checks that run.
func CheckAll(ctx context.Context, specs []job.Spec, limit int, check func(context.Context, job.Spec) job.ProbeResult) iter.Seq2[int, job.ProbeResult] {
	return func(yield func(int, job.ProbeResult) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer group.Wait()
		defer cancel()
		type placed struct {
			place   int
			result job.ProbeResult
		}
		results := make(chan placed, len(specs))
		places := make(chan int, len(specs))
		for place := range specs {
			places <- place
		}
		close(places)
		for range min(limit, len(specs)) {
			group.Go(func() {
				for place := range places {
					results <- placed{place, check(ctx, specs[place])}
				}
			})
		}
		for range specs {
			if p := <-results; !yield(p.place, p.result) {
				return
			}
		}
	}
}
