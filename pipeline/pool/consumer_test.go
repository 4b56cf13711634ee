package pool_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

func TestOlderPoolUsesTheConsumerOfANewerOneAsItIs(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	begun := make(chan struct{}, 10)
	start := func() func() error {
		_, stop := pipelinetest.Serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
			begun <- struct{}{}
			return nil
		}})
		pipelinetest.Put(t, p, "job")
		pipelinetest.Receive(t, begun, "a job")
		return stop
	}
	const unsettled = 77
	for layout, want := range map[string]int{"99": unsettled, "0": 20_000} {
		stop := start()
		config := consumerConfig(t, p)
		config.MaxAckPending, config.AckWait, config.Metadata = unsettled, 2*time.Second, map[string]string{"vedette-layout": layout}
		if _, err := p.JetStream().UpdateConsumer(t.Context(), p.Names().Stream(topology.Adhoc), config); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		pipelinetest.Eventually(t, "an empty queue", func() bool {
			n, err := inspect.Count(t.Context(), p, topology.Adhoc)
			return err == nil && n == 0
		})
		stop = start()
		if found := consumerConfig(t, p); found.MaxAckPending != want {
			t.Errorf("made by layout %s: got %d, want %d", layout, found.MaxAckPending, want)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		pipelinetest.Eventually(t, "an empty queue", func() bool {
			n, err := inspect.Count(t.Context(), p, topology.Adhoc)
			return err == nil && n == 0
		})
	}
}

// consumerConfig is the pool's consumer as the server has it.
func consumerConfig(t *testing.T, p *pipeline.Pipeline) jetstream.ConsumerConfig {
	t.Helper()
	found, err := p.JetStream().Consumer(t.Context(), p.Names().Stream(topology.Adhoc), "test")
	if err != nil {
		t.Fatal(err)
	}
	return found.CachedInfo().Config
}

func TestPoolRestoresItsDeletedConsumer(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	seen := make(chan string, 10)
	pipelinetest.Serve(t, p, pool.Config{AckWait: 300 * time.Millisecond, Handler: func(_ context.Context, d pipeline.Delivery) error {
		seen <- d.Subject
		return nil
	}})
	pipelinetest.Put(t, p, "before")
	pipelinetest.Receive(t, seen, "a job")
	if err := p.JetStream().DeleteConsumer(t.Context(), p.Names().Stream(topology.Adhoc), "test"); err != nil {
		t.Fatalf("delete consumer: %v", err)
	}
	pipelinetest.Put(t, p, "after")
	if got := pipelinetest.Receive(t, seen, "a job after the deletion"); got != "adhoc.here.after" && got != "adhoc.here.before" {
		t.Errorf("got %s, want the job after the deletion", got)
	}
}

// A consumer's own limit of deliveries and its own back-off are at odds with
// delayed redelivery: jobs are lost to the limit, or come at the wrong time.
func TestConsumersNeverGiveUpAndHaveNoBackoff(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	began := make(chan struct{}, 1)
	pipelinetest.Serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		began <- struct{}{}
		return nil
	}})
	pipelinetest.Receive(t, began, "a job")
	config := consumerConfig(t, p)
	if config.MaxDeliver != -1 || len(config.BackOff) != 0 || config.AckPolicy != jetstream.AckExplicitPolicy {
		t.Errorf("got %+v, want no limit of deliveries, no back-off and explicit acks", config)
	}
	if config.MaxAckPending < 20_000 {
		t.Errorf("got MaxAckPending %d, want 20,000 or more: jobs that wait for a retry count against it", config.MaxAckPending)
	}
}

// A work queue gives each message to one consumer. A second consumer over the
// same jobs must be an error, not a share.
func TestSecondPoolOverTheSameJobsIsAnError(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	nothing := func(context.Context, pipeline.Delivery) error { return nil }
	pipelinetest.Put(t, p, "job")
	began := make(chan struct{}, 1)
	pipelinetest.Serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		began <- struct{}{}
		return nil
	}})
	pipelinetest.Receive(t, began, "a job")
	second, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "second", Stream: topology.Adhoc}, Handler: nothing})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "second") {
		t.Errorf("got %v, want an error that names the consumer", err)
	}
}
