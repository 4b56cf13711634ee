package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
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
			config := streamConfig(t, p, stream)
			change(&config)
			if _, err := p.JetStream().UpdateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		call, states := streamConfig(t, p, topology.Call), streamConfig(t, p, "KV_STATE")
		if call.MaxMsgs != c.want || (states.MaxMsgs == calls) != (c.want == calls) {
			t.Errorf("%s: got %d and %d messages at most, want %d, and the bucket alike", name, call.MaxMsgs, states.MaxMsgs, c.want)
		}
	}
}

// streamConfig is a stream as the server has it.
func streamConfig(t *testing.T, p *pipeline.Pipeline, stream topology.Stream) jetstream.StreamConfig {
	t.Helper()
	found, err := p.JetStream().Stream(t.Context(), p.Names().Stream(stream))
	if err != nil {
		t.Fatal(err)
	}
	return found.CachedInfo().Config
}

func TestEnsureTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	if err := p.Ensure(t.Context()); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if err := p.CheckInstalled(t.Context()); err != nil {
		t.Errorf("got %v, want an installation", err)
	}
}

func TestEnsureNamesTheStreamWhoseChangeTheServerRefuses(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	p := pipelinetest.Connect(t, b, pipeline.Config{Replicas: 3})
	err := p.Ensure(t.Context())
	if err == nil || !strings.Contains(err.Error(), "VEDETTE_TICK") {
		t.Errorf("got %v, want an error that names VEDETTE_TICK, since one node cannot hold three replicas", err)
	}
}

func TestNothingIsInstalledByLooking(t *testing.T) {
	t.Parallel()
	p := pipelinetest.Connect(t, pipelinetest.Broker(t), pipeline.Config{})
	if err := p.CheckInstalled(t.Context()); !errors.Is(err, pipeline.ErrNotInstalled) {
		t.Errorf("got %v, want ErrNotInstalled", err)
	}
}

func TestClocksTickEveryShardEverySecond(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Shards: 2})
	type tick struct {
		shard  string
		stored time.Time
	}
	ticks := make(chan tick, 100)
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "ticks", Stream: topology.Tick, Filter: "tick.due.*"}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		ticks <- tick{strings.TrimPrefix(d.Subject, "tick.due."), d.Stored}
		return nil
	}})
	if err != nil {
		t.Fatalf("make pool: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- workers.Serve(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	last := map[string]time.Time{}
	for range 6 {
		got := pipelinetest.Receive(t, ticks, "a tick")
		second := got.stored.Truncate(time.Second)
		if before, seen := last[got.shard]; seen && !second.After(before) {
			t.Errorf("shard %s: got second %s after %s, want a later one", got.shard, second, before)
		}
		last[got.shard] = second
	}
	if len(last) != 2 {
		t.Errorf("got ticks of shards %v, want both", last)
	}
}
