package soak

import (
	"context"
	"errors"
	"time"

	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/producer"
)

// produce enqueues the jobs, spread over the time, until the server has each one,
// through all its restarts.
func (s *single) produce(ctx context.Context) error {
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: s.pipeline, Wait: true})
	if err != nil {
		return err
	}
	began := time.Now()
	next := func(n int) bool {
		due := began.Add(time.Duration(float64(s.length) * float64(n) / float64(s.jobs)))
		return n < s.jobs && (!time.Now().Before(due) || harness.Wait(ctx, time.Until(due)) == nil)
	}
	err = produce(ctx, next, func(n int) error {
		err := s.enqueue(ctx, client, n)
		for err != nil && !errors.Is(err, producer.ErrDuplicate) { // a duplicate is stored already
			if ctx.Err() != nil {
				return err
			}
			err = s.enqueue(ctx, client, n)
		}
		s.enqueued.Add(1)
		return nil
	})
	return errors.Join(err, client.Close())
}

// One job in so many is unusual.
const (
	malformedEvery = 101 // invalid JSON
	invalidEvery   = 103 // without a probe
	panicEvery     = 107 // its handler panics in every other attempt
	slowEvery      = 109 // takes a second
)

// Targets that the prober in a worker knows.
const (
	targetOK    = "ok:1"
	targetPanic = "panic:1"
	targetSlow  = "slow:1"
)

func (s *single) enqueue(ctx context.Context, client *producer.Client, n int) error {
	target := targetOK
	switch {
	case n%malformedEvery == 0:
		return s.publish(ctx, n, `{"v":1`)
	case n%invalidEvery == 0:
		return s.publish(ctx, n, `{"v":1}`)
	case n%panicEvery == 0:
		target = targetPanic
	case n%slowEvery == 0:
		target = targetSlow
	}
	_, err := client.EnqueueCheck(ctx, job.Check{ID: jobID(n), Spec: job.Spec{TCP: &job.TCP{Address: target}}})
	return err
}

// publish stores what the client would refuse.
func (s *single) publish(ctx context.Context, n int, body string) error {
	err := s.pipeline.Publish(ctx, pipeline.Message{
		Subject: topology.AdhocSubject(job.DefaultLocation, jobID(n)), Body: []byte(body), ID: jobID(n), Wait: true,
	})
	if errors.Is(err, pipeline.ErrOccupied) {
		return producer.ErrDuplicate
	}
	return err
}
