package stranded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
)

// Reclaimed is what [Reclaim] found.
type Reclaimed struct {
	// Gone are the processes that ended without a clean stop.
	Gone []job.Process
	// Before is when this process began to reclaim: jobs stored earlier may have
	// been theirs.
	Before time.Time
	// Jobs counts the jobs that are delivered again at once.
	Jobs int
	// Repaired counts stranded jobs.
	Repaired int
}

// Reclaim has the jobs of dead processes delivered again at once, instead of when
// their hold expires. It is for a process that starts and holds no job yet;
// ownsServer means that it runs the installation's server.
//
// Only consumers whose jobs no living process can hold are reset. They deliver all
// unsettled jobs again, also the ones that wait for their next attempt. When the
// process has the server, stranded jobs are repaired too, without waiting: nothing
// is being settled.
func Reclaim(ctx context.Context, p *pipeline.Pipeline, ownsServer bool) (Reclaimed, error) {
	r := Reclaimed{Before: time.Now()}
	gone, others, err := process.Gone(ctx, p, ownsServer)
	if err != nil || len(gone) == 0 && !ownsServer {
		return r, err
	}
	if ownsServer {
		if r.Repaired, err = repairAll(ctx, p, r.Before); err != nil {
			return r, err
		}
	}
	if r.Jobs, err = resetAll(ctx, p, others); err != nil {
		return r, fmt.Errorf("reclaim jobs: %w", err)
	}
	for _, l := range gone {
		r.Gone = append(r.Gone, l.Process)
		if err := process.Remove(ctx, p, l.Entry); err != nil {
			return r, err
		}
	}
	return r, nil
}

func repairAll(ctx context.Context, p *pipeline.Pipeline, now time.Time) (int, error) {
	repaired := 0
	for range maxRounds {
		found, err := Find(ctx, p, now)
		if err != nil || len(found) == 0 {
			return repaired, err
		}
		for _, j := range found {
			logRepair(ctx, p, j, now)
			if err := Repair(ctx, p, j, now); err != nil {
				return repaired, err
			}
		}
		repaired += len(found)
	}
	return repaired, nil // the stage maintain goes on
}

// maxRounds bounds how often stranded jobs are looked for at a start.
const maxRounds = 20

// reclaimed lists the streams whose consumers are reset. Notices and dead letters
// are not among them: what they report again would be reported twice. Neither are
// ticks: an old one would compete with the next one, which replaces it.
func reclaimed() []topology.Stream {
	return append(Queues(), topology.Result, topology.StateLog)
}

// resetAll resets the consumers whose jobs none of the processes can hold, and
// returns how many jobs were unsettled.
func resetAll(ctx context.Context, p *pipeline.Pipeline, processes []process.Lease) (int, error) {
	group, ctx := errgroup.WithContext(ctx)
	jobs := make([]int, len(reclaimed()))
	for i, name := range reclaimed() {
		group.Go(func() error {
			stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
			if err != nil {
				return err
			}
			consumers := stream.ListConsumers(ctx)
			for info := range consumers.Info() {
				if info.Config.Durable == "" || info.NumAckPending == 0 || mayHold(processes, info.Name) {
					continue
				}
				jobs[i] += info.NumAckPending
				if _, err := stream.ResetConsumer(ctx, info.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
					return fmt.Errorf("reset consumer %s: %w", info.Name, err)
				}
			}
			return consumers.Err()
		})
	}
	err := group.Wait()
	sum := 0
	for _, n := range jobs {
		sum += n
	}
	return sum, err
}

// mayHold reports whether a process may hold jobs from a consumer.
func mayHold(processes []process.Lease, consumer string) bool {
	stage, location := topology.StageOf(consumer)
	return slices.ContainsFunc(processes, func(l process.Lease) bool {
		known := len(l.Process.Stages) > 0
		return !known || slices.Contains(l.Process.Stages, stage) && (location == "" || l.Process.Location == location)
	})
}
