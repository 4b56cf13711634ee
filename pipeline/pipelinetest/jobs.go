package pipelinetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// Put enqueues an ad-hoc job, whose body has its id.
func Put(tb testing.TB, p *pipeline.Pipeline, id string) {
	tb.Helper()
	message := pipeline.Message{Subject: topology.AdhocSubject("here", id), Body: []byte(`{"id":"` + id + `"}`)}
	if err := p.Publish(tb.Context(), message); err != nil {
		tb.Fatalf("publish: %v", err)
	}
}

// Serve runs a pool over ad-hoc jobs, with a consumer called test, until the test
// ends or stop is called. stop returns the error from [pool.Pool.Serve].
func Serve(tb testing.TB, p *pipeline.Pipeline, config pool.Config) (workers *pool.Pool, stop func() error) {
	tb.Helper()
	config.Consumer = topology.Consumer{Name: "test", Stream: topology.Adhoc}
	workers, err := pool.New(p, config)
	if err != nil {
		tb.Fatalf("make pool: %v", err)
	}
	return workers, Run(tb, workers)
}

// Run serves a pool until the test ends or stop is called. stop returns the error
// from [pool.Pool.Serve].
func Run(tb testing.TB, workers *pool.Pool) (stop func() error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- workers.Serve(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	tb.Cleanup(func() { _ = stop() }) // stuck jobs are the test's affair
	return stop
}

// RunPatiently is [Run] for a cluster. Like a supervisor it runs the workers again
// when they could not begin, as while a leader is elected.
func RunPatiently(tb testing.TB, p *pipeline.Pipeline, workers *pool.Pool) (stop func() error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() {
		service := p.TolerateOutage(workers)
		err := service.Serve(ctx)
		for ctx.Err() == nil && errors.Is(err, supervise.ErrUnavailable) {
			err = service.Serve(ctx)
		}
		done <- err
	}()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	tb.Cleanup(func() { _ = stop() })
	return stop
}

// Notices delivers all notices, old and new.
func Notices(tb testing.TB, p *pipeline.Pipeline) <-chan job.Notice {
	tb.Helper()
	found := make(chan job.Notice, 100)
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "notices", Stream: topology.Notice}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		notice, err := job.Decode[job.Notice](d.Body)
		found <- notice
		return job.DeadFor(err)
	}})
	if err != nil {
		tb.Fatal(err)
	}
	Run(tb, workers)
	return found
}

// DeadLetters lists the dead letters that a filter selects.
func DeadLetters(tb testing.TB, p *pipeline.Pipeline, filter deadletter.Filter) []deadletter.Letter {
	tb.Helper()
	var letters []deadletter.Letter
	err := deadletter.Each(tb.Context(), p, filter, func(l deadletter.Letter) bool {
		letters = append(letters, l)
		return true
	})
	if err != nil {
		tb.Fatalf("read dead letters: %v", err)
	}
	return letters
}

// DeadLetter returns the oldest dead letter, and whether there is one.
func DeadLetter(tb testing.TB, p *pipeline.Pipeline) (deadletter.Letter, bool) {
	tb.Helper()
	letters := DeadLetters(tb, p, deadletter.Filter{})
	if len(letters) == 0 {
		return deadletter.Letter{}, false
	}
	return letters[0], true
}
