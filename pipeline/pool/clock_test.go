package pool_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// The server gives a job back an hour late if its clock was set back by an hour
// while the job waited for its next attempt. Here it waits for an hour anyway.
func TestWaitingJobsComeBackAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "waits")
	pipelinetest.Put(t, p, "runs")
	waits, again, release := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	var runs atomic.Int64
	workers, _ := pipelinetest.Serve(t, p, pool.Config{Limit: 2, AckWait: 500 * time.Millisecond, Handler: func(_ context.Context, d pipeline.Delivery) error {
		switch {
		case d.Subject == "adhoc.here.runs":
			runs.Add(1)
			<-release
			return nil
		case d.Redelivered:
			again <- struct{}{}
			return nil
		default:
			waits <- struct{}{}
			return job.Interrupted(errors.New("not yet"), time.Hour)
		}
	}})
	pipelinetest.Receive(t, waits, "the first attempt")
	pipelinetest.Eventually(t, "one waiting and one running", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Unsettled == 2 && queue.Waiting == 0 && workers.Status().Running == 1
	})
	p.Clock().Found(time.Hour)
	pipelinetest.Receive(t, again, "the waiting job")
	if got := runs.Load(); got != 1 {
		t.Errorf("got %d attempts at the job that runs, want one", got)
	}
	close(release)
}

// After the clock was set forward, the server takes each hold for expired.
func TestAJobThatRunsHereIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "runs")
	began, release := make(chan pipeline.Delivery, 10), make(chan struct{})
	workers, _ := pipelinetest.Serve(t, p, pool.Config{Limit: 2, Handler: func(_ context.Context, d pipeline.Delivery) error {
		began <- d
		if d.Subject == "adhoc.here.runs" {
			<-release
		}
		return nil
	}})
	sequence := pipelinetest.Receive(t, began, "the job").Sequence
	// Giving the job back has the server deliver it again, like an expired hold.
	subject := fmt.Sprintf("$JS.ACK.%s.test.1.%d.1.0.0", p.Names().Stream(topology.Adhoc), sequence)
	if err := p.Conn().Publish(subject, []byte("-NAK")); err != nil {
		t.Fatal(err)
	}
	pipelinetest.Eventually(t, "the second delivery", func() bool {
		consumer, err := p.JetStream().Consumer(t.Context(), p.Names().Stream(topology.Adhoc), "test")
		return err == nil && consumer.CachedInfo().Delivered.Consumer == 2
	})
	pipelinetest.Put(t, p, "next") // is delivered after it
	if d := pipelinetest.Receive(t, began, "another job"); d.Subject != "adhoc.here.next" {
		t.Errorf("got %s again, want only the next one", d.Subject)
	}
	close(release)
	pipelinetest.Eventually(t, "an empty queue", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Unsettled == 0 && queue.Waiting == 0
	})
}
