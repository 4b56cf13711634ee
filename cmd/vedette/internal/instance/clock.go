package instance

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline/clock"
	"vedette/pipeline/job"
	"vedette/workers/health"
)

// stepShown is how long the condition of the clock fails after a step. Repairs take
// a few seconds; people should see what happened for longer.
const stepShown = time.Minute

// watchClock watches the clock of the machine, and reports steps.
func (r *instanceRun) watchClock(ctx context.Context) error {
	changes, stop := r.pipeline.Clock().Listen()
	defer stop()
	r.health.Met(job.ProcessClock)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.pipeline.Clock().Serve(ctx) })
	group.Go(func() error {
		shown := time.NewTimer(stepShown)
		defer shown.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case change := <-changes:
				if change.Step != 0 {
					r.health.Failed(job.ProcessClock, clockProblem(change))
					shown.Reset(stepShown)
				}
			case <-shown.C:
				r.health.Met(job.ProcessClock)
			}
		}
	})
	return group.Wait()
}

func clockProblem(c clock.Change) health.Problem {
	sign := ""
	if c.Step > 0 {
		sign = "+"
	}
	return health.Problem{
		Reason: job.FaultClockStepped, Advisory: true,
		Detail: fmt.Sprintf("the wall clock jumped by %s%s, to %s", sign, c.Step.Round(time.Second), c.At.UTC().Format("2006-01-02 15:04:05 UTC")),
	}
}
