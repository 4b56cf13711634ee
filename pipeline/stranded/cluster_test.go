package stranded_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/stranded"
	"vedette/pipeline/topology"
)

// doneJobs counts how often each job was done.
type doneJobs struct {
	mu    sync.Mutex
	times map[string]int
}

func (d *doneJobs) add(subject string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.times[subject]++
}

func (d *doneJobs) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.times)
}

// On three replicas a settled job is removed later than its consumer counts it as
// settled, and leaders change. Two processes that look for stranded jobs all the time
// touch no job of a busy queue, and repair a stranded one once.
func TestBusyQueueOfAClusterIsLeftAloneAndItsStrandedJobDoneOnce(t *testing.T) {
	t.Parallel()
	cluster := pipelinetest.NewCluster(t)
	p := cluster.Connect(pipeline.Config{Process: "worker", Replicas: 3})
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	done, consumer := &doneJobs{times: map[string]int{}}, topology.AdhocConsumer("here")
	workers, err := pool.New(p, pool.Config{Consumer: consumer, Limit: 8, Handler: func(ctx context.Context, d pipeline.Delivery) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(rand.IntN(40)) * time.Millisecond):
		}
		done.add(d.Subject)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	stop := pipelinetest.RunPatiently(t, p, workers)
	looking, enough := context.WithCancel(t.Context())
	var watches sync.WaitGroup
	for i := range 2 {
		other := cluster.Connect(pipeline.Config{Process: fmt.Sprint("maintain-", i)})
		watches.Go(func() {
			for looking.Err() == nil {
				repaired, err := stranded.RepairCertain(looking, other)
				if repaired > 0 {
					t.Errorf("got %d jobs of a busy queue repaired, want none", repaired)
				}
				_ = err // a leader is being elected, or the test ends
			}
		})
	}
	const jobs = 400
	for i := range jobs {
		if i == jobs/2 {
			cluster.Stop(rand.IntN(pipelinetest.Nodes))
		}
		pipelinetest.Put(t, p, fmt.Sprint("job-", i))
	}
	pipelinetest.Eventually(t, "all jobs", func() bool { return done.count() == jobs })
	enough()
	watches.Wait()
	if letters := pipelinetest.DeadLetters(t, p, deadletter.Filter{}); len(letters) > 0 {
		t.Errorf("got dead letters %+v, want none", letters)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	// A cluster removes such a job itself every half a minute, maybe before it is found.
	var found []stranded.Job
	var since time.Time
	pipelinetest.Eventually(t, "the stranded job", func() bool {
		if time.Since(since) > 10*time.Second {
			subject := topology.AdhocSubject("here", fmt.Sprint("stranded-", time.Now().UnixNano()))
			pipelinetest.Strand(t, p, consumer, pipeline.Message{Subject: subject, Body: []byte("{}")})
			since = time.Now()
		}
		found, err = stranded.Find(t.Context(), p, time.Now())
		return err == nil && len(found) > 0
	})
	for _, err := range []error{stranded.Repair(t.Context(), p, found[0], time.Now()), stranded.Repair(t.Context(), p, found[0], time.Now())} {
		if err != nil {
			t.Error(err)
		}
	}
	letter, there := pipelinetest.DeadLetter(t, p)
	if !there {
		t.Fatal("got no dead letter, want the stranded job in one")
	}
	if err := deadletter.Replay(t.Context(), p, letter); err != nil && !errors.Is(err, deadletter.ErrStillQueued) {
		t.Fatal(err)
	}
	again, _ := serve(t, p, consumer)
	if got := pipelinetest.Receive(t, again, "the job"); got.Subject != letter.Subject {
		t.Errorf("got %s, want %s", got.Subject, letter.Subject)
	}
}
