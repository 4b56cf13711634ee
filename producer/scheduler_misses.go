package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// missFor turns the error from publishing a check into a miss, or nothing if
// the check was stored. It returns any other error.
func missFor(check *dueCheck, err error) ([]job.Result, error) {
	reason, detail := job.MissRefused, ""
	switch {
	case err == nil:
		return nil, nil
	case errors.Is(err, errNoWorker):
		reason = job.MissNoWorker
	case errors.Is(err, pipeline.ErrOccupied):
		reason = job.MissOverlap
	case errors.Is(err, pipeline.ErrFull), errors.Is(err, pipeline.ErrTooLarge):
		detail = err.Error()
	default:
		return nil, err
	}
	return []job.Result{check.miss(reason, detail)}, nil
}

// errNoWorker means that no process makes checks at the location.
var errNoWorker = errors.New("no worker is running")

// setMissReasons names the cause of missing ticks if it is known: the clock was set
// forward over most of the slots, the server was away after the cursor, or this
// process started after it, or stood still, and no other scheduler was there.
func (s *Scheduler) setMissReasons(cursor, second time.Time, misses []job.Result) {
	if len(misses) == 0 {
		return
	}
	reason, most := job.MissLate, second.Sub(cursor)/2
	forward, paused := s.config.Pipeline.Clock().Between(cursor, second, maxAhead)
	switch lost := s.config.Pipeline.Lost(); {
	case forward > most:
		reason = job.MissClockSet
	case !lost.IsZero() && !lost.Before(cursor):
		reason = job.MissBrokerDown
	case s.started.After(cursor) || paused > most:
		reason = job.MissNoProcess
	}
	for i := range misses {
		if misses[i].Miss.Reason == job.MissLate {
			misses[i].Miss.Reason = reason
		}
	}
}

// minGapSlots is how many slots of a monitor must be missed in a row before the
// operators are notified.
const minGapSlots = 3

// notifyGap notifies the operators that nothing was scheduled for some time.
// All shards have the same gap and use the same notice id.
func (s *Scheduler) notifyGap(ctx context.Context, cursor, second time.Time, misses []job.Result) error {
	for i := range misses {
		miss := misses[i].Miss
		if miss.Count < minGapSlots || !isGap(miss.Reason) {
			continue
		}
		why := "no scheduler was running"
		if miss.Reason == job.MissBrokerDown {
			why = "the NATS server was not reachable"
		}
		return s.config.Pipeline.Notify(ctx, job.Notice{
			ID: job.DeriveID("gap", second.Truncate(time.Minute).Format(time.RFC3339)), Kind: job.NoticeScheduleGap,
			Summary: fmt.Sprintf("nothing was checked from %s to %s: %s", cursor.Format(time.DateTime), second.Format("15:04:05 UTC"), why),
		})
	}
	return nil
}

// isGap reports whether a reason is that nothing was scheduled.
func isGap(reason job.MissReason) bool {
	return reason == job.MissLate || reason == job.MissNoProcess || reason == job.MissBrokerDown
}

// maxResults is the maximum number of results in a message.
const maxResults = 100

func (s *Scheduler) publishMisses(ctx context.Context, shard int, second time.Time, misses []job.Result, rewinds int) error {
	for part := 0; len(misses) > 0; part++ {
		batch := misses[:min(maxResults, len(misses))]
		misses = misses[len(batch):]
		err := pipeline.PublishJob(ctx, s.config.Pipeline, job.Results{V: job.Version, Results: batch}, pipeline.Message{
			Subject: topology.ResultSubject(shard), ID: fmt.Sprintf("miss-%d-%d-%d", shard, second.Unix(), part) + passOf(rewinds),
		})
		if err != nil {
			return fmt.Errorf("publish misses: %w", err)
		}
	}
	return nil
}

// miss returns the result for a check that is not published.
func (c *dueCheck) miss(reason job.MissReason, detail string) job.Result {
	return miss(monitorOf(c.name), c.profile.location, c.slot, job.Miss{Reason: reason, Count: 1, Last: c.slot, Detail: detail})
}

// miss returns the result for a missed slot. The location is empty for a
// monitor with one location.
func miss(monitor, location string, slot job.Slot, m job.Miss) job.Result {
	return job.Result{Monitor: monitor, Location: location, Slot: slot, Miss: &m}
}
