package pipeline_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

func TestOlderProcessLeavesAsItIsWhatANewerOneConfigured(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const calls = 77 // what an older or a newer version may have thought right
	for name, c := range map[string]struct {
		layout string
		want   int64
	}{
		"a newer one":                {"99", calls},
		"an older one":               {"0", 10_000},
		"one that says nothing":      {"", 10_000},
		"one that says what is none": {"x", 10_000},
	} {
		for _, stream := range []topology.Stream{topology.Call, "KV_STATE"} {
			change := func(config *jetstream.StreamConfig) {
				config.MaxMsgs, config.Metadata = calls, map[string]string{"vedette-layout": c.layout}
			}
			if err := pipelinetest.ChangeStream(t.Context(), p, stream, change); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		call, err := pipelinetest.StreamConfig(t.Context(), p, topology.Call)
		if err != nil {
			t.Fatal(err)
		}
		states, err := pipelinetest.StreamConfig(t.Context(), p, "KV_STATE")
		if err != nil {
			t.Fatal(err)
		}
		if call.MaxMsgs != c.want || (states.MaxMsgs == calls) != (c.want == calls) {
			t.Errorf("%s: got %d and %d messages at most, want %d, and the bucket alike", name, call.MaxMsgs, states.MaxMsgs, c.want)
		}
	}
}

func TestOlderPoolUsesTheConsumerOfANewerOneAsItIs(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	begun := make(chan struct{}, 10)
	start := func() func() error {
		_, stop := serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
			begun <- struct{}{}
			return nil
		}})
		put(t, p, "job")
		receive(t, begun, "a job")
		return stop
	}
	const unsettled = 77
	for layout, want := range map[string]int{"99": unsettled, "0": 20_000} {
		stop := start()
		err := pipelinetest.ChangeConsumer(t.Context(), p, topology.Adhoc, "test", func(c *jetstream.ConsumerConfig) {
			c.MaxAckPending, c.AckWait, c.Metadata = unsettled, 2*time.Second, map[string]string{"vedette-layout": layout}
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "an empty queue", func() bool {
			n, err := inspect.Count(t.Context(), p, topology.Adhoc)
			return err == nil && n == 0
		})
		stop = start()
		found, err := pipelinetest.ConsumerConfig(t.Context(), p, topology.Adhoc, "test")
		if err != nil {
			t.Fatal(err)
		}
		if found.MaxAckPending != want {
			t.Errorf("made by layout %s: got %d, want %d", layout, found.MaxAckPending, want)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "an empty queue", func() bool {
			n, err := inspect.Count(t.Context(), p, topology.Adhoc)
			return err == nil && n == 0
		})
	}
}
