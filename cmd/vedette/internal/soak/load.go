package soak

import (
	"context"
	"errors"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/producer"
)

// producers is how many enqueue at once.
const producers = 32

// produce enqueues the jobs, spread over the time. It goes on until the server
// has each, however often it is away.
func (s *soak) produce(ctx context.Context) error {
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: s.pipeline, Wait: true})
	if err != nil {
		return err
	}
	began := time.Now()
	numbers := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(numbers)
		return s.pace(ctx, began, numbers)
	})
	for range producers {
		group.Go(func() error {
			for n := range numbers {
				if err := s.enqueue(ctx, client, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return errors.Join(group.Wait(), client.Close())
}

// pace hands out the numbers of jobs, each at its time.
func (s *soak) pace(ctx context.Context, began time.Time, numbers chan<- int) error {
	for n := range s.jobs {
		due := began.Add(time.Duration(float64(s.length) * float64(n) / float64(s.jobs)))
		if wait := time.Until(due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		select {
		case numbers <- n:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// enqueue stores one job. What the server refuses because it has it, it has.
func (s *soak) enqueue(ctx context.Context, client *producer.Client, n int) error {
	err := s.order(ctx, client, n)
	for err != nil && !errors.Is(err, producer.ErrDuplicate) {
		if ctx.Err() != nil {
			return err
		}
		err = s.order(ctx, client, n) // the server was away for a look at what lives
	}
	s.enqueued.Add(1)
	return nil
}

// brokenEvery and the like say which jobs are what.
const (
	brokenEvery  = 101 // bytes that are no job
	invalidEvery = 103 // a job without a probe
	panicEvery   = 107 // makes its handler panic, now and then
	slowEvery    = 109 // takes a second
)

func soakID(n int) string { return "soak-" + strconv.Itoa(n) }

func (s *soak) order(ctx context.Context, client *producer.Client, n int) error {
	address := "ok:1"
	switch {
	case n%brokenEvery == 0, n%invalidEvery == 0:
		body := `{"v":1}`
		if n%brokenEvery == 0 {
			body = `{"v":1`
		}
		id := soakID(n)
		err := s.pipeline.Publish(ctx, pipeline.Message{Subject: topology.AdhocSubject(job.DefaultLocation, id), Body: []byte(body), ID: id, Wait: true})
		if errors.Is(err, pipeline.ErrOccupied) {
			return producer.ErrDuplicate
		}
		return err
	case n%panicEvery == 0:
		address = "panic:1"
	case n%slowEvery == 0:
		address = "slow:1"
	}
	_, err := client.EnqueueCheck(ctx, job.Check{ID: soakID(n), Spec: job.Spec{TCP: &job.TCP{Address: address}}})
	return err
}
