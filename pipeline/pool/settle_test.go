package pool_test

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

func TestPoolOverDeadLettersStoresNoMore(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	pipelinetest.Serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		return job.Dead(job.ReasonInvalid, errors.New("no"))
	}})
	seen := make(chan deadletter.Letter, 10)
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "letters", Stream: topology.Dead}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		seen <- deadletter.Read(d)
		return job.Dead(job.ReasonInvalid, errors.New("not this either"))
	}})
	if err != nil {
		t.Fatal(err)
	}
	pipelinetest.Run(t, workers)
	if letter := pipelinetest.Receive(t, seen, "a dead letter"); letter.Reason != job.ReasonInvalid || letter.Subject != "adhoc.here.job" {
		t.Errorf("got %+v, want the dead letter of the job", letter)
	}
	pipelinetest.Eventually(t, "a settled dead letter", func() bool { return workers.Status().Failed == 1 })
	if count, err := inspect.Count(t.Context(), p, topology.Dead); err != nil || count != 1 {
		t.Errorf("got %d dead letters, %v, want none about a dead letter", count, err)
	}
}

func TestOnDeadLetterIsCalledUntilItSucceeds(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	reported := make(chan deadletter.Letter, 10)
	var calls atomic.Int64
	workers, _ := pipelinetest.Serve(t, p, pool.Config{
		AckWait: 300 * time.Millisecond,
		Handler: func(context.Context, pipeline.Delivery) error { return job.Dead(job.ReasonInvalid, errors.New("no")) },
		OnDeadLetter: func(_ context.Context, _ pipeline.Delivery, letter deadletter.Letter) error {
			if calls.Add(1) == 1 {
				return errors.New("cannot be reported at the moment")
			}
			reported <- letter
			return nil
		},
	})
	if letter := pipelinetest.Receive(t, reported, "the report"); letter.Reason != job.ReasonInvalid {
		t.Errorf("got %+v, want the dead letter", letter)
	}
	pipelinetest.Eventually(t, "an empty queue", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Depth == 0
	})
	if count, err := inspect.Count(t.Context(), p, topology.Dead); err != nil || count != 1 {
		t.Errorf("got %d letters, %v, want 1 for the one job", count, err)
	}
}

func TestWhatAHandlerReturnsIsTheFateOfItsJob(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	quick := pool.Backoff{Initial: time.Millisecond, Max: time.Millisecond}
	cases := []struct {
		name     string
		fate     func(attempt int) error
		attempts []int // as the handler sees them
		dead     job.Reason
	}{
		{"nil is done", func(int) error { return nil }, []int{1}, ""},
		{"an error is another attempt", failUntil(3, boom), []int{1, 2, 3}, ""},
		{"retry in is another attempt", failUntil(2, job.RetryIn(boom, time.Millisecond)), []int{1, 2}, ""},
		{"dead is a dead letter", func(int) error { return job.Dead(job.ReasonPermanent, boom) }, []int{1}, job.ReasonPermanent},
		{"a panic is another attempt", func(attempt int) error {
			if attempt < 3 {
				panic("boom")
			}
			return nil
		}, []int{1, 2, 3}, ""},
		{"five panics are a dead letter", func(int) error { panic("boom") }, []int{1, 2, 3, 4, 5}, job.ReasonPanic},
		{"a Goexit is another attempt", func(attempt int) error {
			if attempt < 2 {
				runtime.Goexit()
			}
			return nil
		}, []int{1, 2}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := pipelinetest.New(t, pipeline.Config{})
			pipelinetest.Put(t, p, "job")
			seen := make(chan int, 10)
			workers, _ := pipelinetest.Serve(t, p, pool.Config{Backoff: quick, Handler: func(_ context.Context, d pipeline.Delivery) error {
				seen <- d.Attempt
				return c.fate(d.Attempt)
			}})
			for _, want := range c.attempts {
				if got := pipelinetest.Receive(t, seen, "an attempt"); got != want {
					t.Fatalf("got attempt %d, want %d", got, want)
				}
			}
			pipelinetest.Eventually(t, "an empty queue", func() bool {
				queue, err := workers.Queue(t.Context(), time.Now())
				return err == nil && queue.Depth == 0
			})
			letter, found := pipelinetest.DeadLetter(t, p)
			if found != (c.dead != "") {
				t.Fatalf("got dead letter %v, want %q", found, c.dead)
			}
			if found && (letter.Reason != c.dead || string(letter.Body) != `{"id":"job"}` || letter.Subject != "adhoc.here.job") {
				t.Errorf("got %+v, want reason %s and the job byte for byte", letter, c.dead)
			}
		})
	}
}

func failUntil(attempt int, err error) func(int) error {
	return func(n int) error {
		if n < attempt {
			return err
		}
		return nil
	}
}

func TestInterruptionIsNoAttempt(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	attempts := make(chan int, 10)
	var calls atomic.Int64
	pipelinetest.Serve(t, p, pool.Config{Handler: func(_ context.Context, d pipeline.Delivery) error {
		attempts <- d.Attempt
		if calls.Add(1) < 3 {
			return job.Interrupted(errors.New("relay away"), time.Millisecond)
		}
		return nil
	}})
	for range 3 {
		if got := pipelinetest.Receive(t, attempts, "a delivery"); got != 1 {
			t.Errorf("got attempt %d, want 1 at each delivery", got)
		}
	}
}

func TestStoppingPoolGivesItsJobsToAnotherAtOnceAndCountsNoAttempt(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	first := pipelinetest.Connect(t, b, pipeline.Config{Process: "first"})
	if err := first.Ensure(t.Context()); err != nil {
		t.Fatalf("install: %v", err)
	}
	second := pipelinetest.Connect(t, b, pipeline.Config{Process: "second"})
	pipelinetest.Put(t, first, "job")
	began := make(chan struct{}, 1)
	// An AckWait of a minute: only giving back can bring the job in time.
	_, stop := pipelinetest.Serve(t, first, pool.Config{AckWait: time.Minute, Grace: 50 * time.Millisecond, Handler: func(ctx context.Context, _ pipeline.Delivery) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}})
	pipelinetest.Receive(t, began, "the job in the first pool")
	if err := stop(); err != nil {
		t.Fatalf("got error %v, want a clean stop", err)
	}
	attempts := make(chan int, 1)
	pipelinetest.Serve(t, second, pool.Config{AckWait: time.Minute, Handler: func(_ context.Context, d pipeline.Delivery) error {
		attempts <- d.Attempt
		return nil
	}})
	if got := pipelinetest.Receive(t, attempts, "the job in the second pool"); got != 1 {
		t.Errorf("got attempt %d, want 1", got)
	}
}

func TestSlowJobIsHeldAndRunsOnce(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	const ackWait = 600 * time.Millisecond
	var calls atomic.Int64
	finished := make(chan struct{})
	pipelinetest.Serve(t, p, pool.Config{AckWait: ackWait, Handler: func(ctx context.Context, _ pipeline.Delivery) error {
		calls.Add(1)
		slow := time.NewTimer(3 * ackWait) // the slowness is what is tested
		defer slow.Stop()
		select {
		case <-slow.C:
		case <-ctx.Done():
		}
		close(finished)
		return nil
	}})
	pipelinetest.Receive(t, finished, "the end of the job")
	if got := calls.Load(); got != 1 {
		t.Errorf("got %d runs, want 1", got)
	}
}

func TestFailingJobOutlivesAnyNumberOfDeliveriesAndWaitsAsLongAsItAsks(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	const tries, wait = 30, 20 * time.Millisecond
	began := time.Now()
	attempts := make(chan int, tries)
	pipelinetest.Serve(t, p, pool.Config{Handler: func(_ context.Context, d pipeline.Delivery) error {
		attempts <- d.Attempt
		if d.Attempt < tries {
			return job.RetryIn(errors.New("not yet"), wait)
		}
		return nil
	}})
	for i := range tries {
		if got := pipelinetest.Receive(t, attempts, "an attempt"); got != i+1 {
			t.Fatalf("got attempt %d, want %d", got, i+1)
		}
	}
	if took := time.Since(began); took < (tries-1)*wait {
		t.Errorf("got %d attempts in %s, want them %s apart", tries, took, wait)
	}
}

// By default a thousand jobs that wait for a retry keep all the others out.
func TestJobsThatWaitForARetryBlockNoOthers(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const failing = 1_500
	messages := make([]pipeline.Message, failing)
	for i := range messages {
		messages[i] = pipeline.Message{Subject: topology.AdhocSubject("here", "failing"+strconv.Itoa(i)), Body: []byte("{}")}
	}
	for _, err := range p.PublishAll(t.Context(), messages) {
		if err != nil {
			t.Fatal(err)
		}
	}
	pipelinetest.Put(t, p, "good")
	good := make(chan struct{}, 1)
	pipelinetest.Serve(t, p, pool.Config{Handler: func(_ context.Context, d pipeline.Delivery) error {
		if d.Subject == "adhoc.here.good" {
			good <- struct{}{}
			return nil
		}
		return job.RetryIn(errors.New("not now"), time.Hour)
	}})
	pipelinetest.Receive(t, good, "the good job behind all that wait")
}
