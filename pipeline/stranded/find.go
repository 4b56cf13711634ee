// Package stranded finds and repairs stranded jobs: messages in a work queue that
// no consumer will deliver. Such a message occupies its subject, so that its
// monitor is not checked any more, or its mail never leaves.
//
// # How a job is stranded
//
// A consumer keeps three things (nats-server 2.15): the last sequence that it
// delivered, an ack floor up to which everything is settled, and the unsettled
// messages in between. It never looks below its floor again. A single server
// compares neither with the stream of a work queue, so these faults stay for good:
//
//   - An acknowledgement moved the floor, and the message was not removed: the disk
//     was full, or the process was killed between the two.
//   - A message came back when the process was killed, since it had been replaced by
//     a newer one on its subject, which leaves no trace on disk: a timer.
//   - The stream lost its end, and its new messages have sequences that the
//     consumer has counted as settled.
//   - The consumer's state file was damaged, or came from a backup.
//
// A cluster compares them every half minute, and removes what it finds.
//
// # What is never touched
//
// A job that a worker holds, or that waits for its next attempt, is among the
// unsettled ones, and so above the floor. A job in between that is not unsettled
// cannot be seen from outside, only counted; it counts as stranded when it is
// older than any job may run and there are more such jobs than the consumer has
// unsettled ones. Otherwise it will be below the floor soon.
package stranded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

// Job is a stranded job.
type Job struct {
	pipeline.Delivery

	// Consumer should have delivered it.
	Consumer topology.Consumer
}

// Queues lists the work queues. The stream of ticks is not among them, since the
// next tick replaces a stranded one after a second.
func Queues() []topology.Stream {
	return []topology.Stream{topology.Checks, topology.Adhoc, topology.Call, topology.Mail, topology.Timer}
}

const (
	// maxFound bounds how many jobs are found for a consumer at once.
	maxFound = 500
	// maxUnsettled is how many unsettled jobs a consumer may have so that the ones
	// above its floor are counted.
	maxUnsettled = 500
	// longestJob is how long a check may run, settling included: workers give up
	// after 10 minutes.
	longestJob = 12 * time.Minute
)

// Find returns the jobs that look stranded. A job that was just settled looks the
// same until its message is removed, so the result is certain only for jobs that
// are found again later. The cost is a few requests for each consumer, unless there
// are stranded jobs.
func Find(ctx context.Context, p *pipeline.Pipeline, now time.Time) ([]Job, error) {
	var found []Job
	for _, queue := range Queues() {
		jobs, err := findIn(ctx, p, queue, now)
		if err != nil {
			return nil, fmt.Errorf("find stranded jobs in %s: %w", queue, err)
		}
		found = append(found, jobs...)
	}
	return found, nil
}

// secondLook is how long after the first look a job that is just being removed is
// gone.
const secondLook = 2 * time.Second

// FindCertain is Find for a caller who looks once: it looks again after a moment if
// there are any, and returns the jobs that are still there.
func FindCertain(ctx context.Context, p *pipeline.Pipeline) ([]Job, error) {
	first, err := Find(ctx, p, time.Now())
	if err != nil || len(first) == 0 {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(secondLook):
	}
	second, err := Find(ctx, p, time.Now())
	return slices.DeleteFunc(second, func(j Job) bool {
		return !slices.ContainsFunc(first, func(before Job) bool { return before.key() == j.key() })
	}), err
}

func findIn(ctx context.Context, p *pipeline.Pipeline, queue topology.Stream, now time.Time) ([]Job, error) {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(queue))
	if err != nil {
		return nil, err
	}
	if stream.CachedInfo().State.Msgs == 0 {
		return nil, nil
	}
	var found []Job
	consumers := stream.ListConsumers(ctx) // before the messages, so that none is settled in between unnoticed
	for info := range consumers.Info() {
		jobs, err := findFor(ctx, p, queue, info, now)
		if err != nil {
			return nil, err
		}
		found = append(found, jobs...)
	}
	return found, consumers.Err()
}

// findFor walks through the messages that a consumer has passed.
func findFor(ctx context.Context, p *pipeline.Pipeline, queue topology.Stream, info *jetstream.ConsumerInfo, now time.Time) ([]Job, error) {
	consumer := topology.Consumer{Name: info.Name, Stream: queue, Filter: ">"}
	if info.Config.FilterSubject != "" {
		consumer.Filter = p.Names().CutPrefix(info.Config.FilterSubject)
	}
	passed := passed{floor: info.AckFloor.Stream, delivered: info.Delivered.Stream, unsettled: info.NumAckPending, countable: isCheckQueue(queue)}
	for next := uint64(1); !passed.enough(); {
		message, err := inspect.NextOnLeader(ctx, p, queue, next, consumer.Filter)
		if errors.Is(err, pipeline.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !passed.add(message, now) {
			break
		}
		next = message.Sequence + 1
	}
	jobs := make([]Job, 0)
	for _, message := range passed.stranded() {
		jobs = append(jobs, Job{Delivery: message, Consumer: consumer})
	}
	return jobs, nil
}

// isCheckQueue reports whether a queue has checks, whose time is bounded. A mail
// may wait for its next attempt for a day.
func isCheckQueue(queue topology.Stream) bool {
	return queue == topology.Checks || queue == topology.Adhoc || queue == topology.Call
}

// passed are the messages that a consumer has delivered, and which should be
// settled or unsettled.
type passed struct {
	floor, delivered uint64
	unsettled        int
	countable        bool // whether messages above the floor are counted

	below []pipeline.Delivery // at or below the floor
	above int                 // messages above it
	old   []pipeline.Delivery // the ones above it that are older than any job may run
}

// add takes the next message, and reports whether later ones are of interest.
func (s *passed) add(message pipeline.Delivery, now time.Time) bool {
	switch {
	case message.Sequence <= s.floor:
		s.below = append(s.below, message)
		return true
	case message.Sequence > s.delivered || !s.countable || s.unsettled > maxUnsettled:
		return false
	}
	s.above++
	if now.Sub(message.Stored) > longestJob {
		s.old = append(s.old, message)
	}
	return len(s.old) > 0 // the oldest comes first
}

func (s *passed) enough() bool { return len(s.below) >= maxFound || s.above > maxUnsettled+maxFound }

// stranded returns the messages that the consumer will not deliver.
func (s *passed) stranded() []pipeline.Delivery {
	if len(s.old) > 0 && len(s.old) <= s.above-s.unsettled {
		return append(s.below, s.old...)
	}
	return s.below
}
