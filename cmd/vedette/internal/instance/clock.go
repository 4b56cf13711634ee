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
					r.restartServer(change)
				}
			case <-shown.C:
				r.health.Met(job.ProcessClock)
			}
		}
	})
	return group.Wait()
}

// longStep is a step back after which the server inside the process is started
// again. Until the old time comes again, it keeps the id of each message, 240 bytes:
// 40 MB for an hour of fifty checks a second.
const longStep = 10 * time.Minute

// restartServer starts the server again after a long step back.
func (r *instanceRun) restartServer(c clock.Change) {
	if r.restarts == nil || c.Step > -longStep {
		return
	}
	select {
	case r.restarts <- "the clock was set back by " + (-c.Step).Round(time.Second).String():
	default: // it is about to be
	}
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
