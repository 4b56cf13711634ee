package workers

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

func TestStuckIncarnationCannotReplaceTheFoundationOfALaterOne(t *testing.T) {
	t.Parallel()
	common := &shared{
		p: pipelinetest.New(t, pipeline.Config{}), log: slog.New(slog.DiscardHandler), grace: 10 * time.Millisecond,
		pools: &poolSet{limits: Limits{}.withDefaults()},
	}
	started, release, handedOver := make(chan struct{}), make(chan struct{}), make(chan struct{})
	incarnation := 0
	builtFrom := make(chan int, 3)
	child, err := stage[int]{
		name: StageCheck, foundation: "first",
		open: func(ctx context.Context, ready func(int)) error {
			incarnation++
			if incarnation == 1 {
				close(started)
				<-release // and ignore ctx
				ready(1)
				close(handedOver)
				return nil
			}
			ready(incarnation)
			<-ctx.Done()
			return nil
		},
		pools: []stagePool[int]{{topology.CheckConsumer("default"), nil, func(foundation int) pool.Config {
			builtFrom <- foundation
			return pool.Config{
				Stage: StageCheck, Consumer: topology.Consumer{Stream: topology.Checks, Filter: "check.default.>"},
				Handler: func(context.Context, pipeline.Delivery) error { return nil },
			}
		}}},
	}.supervisor(common)
	if err != nil {
		t.Fatal(err)
	}
	sup, ok := child.Service.(*supervise.Supervisor)
	if !ok {
		t.Fatalf("got %T, want a supervisor", child.Service)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- sup.Serve(ctx) }()
	<-started
	restart(t, sup, "first")
	if got := <-builtFrom; got != 2 {
		t.Errorf("got a pool built from foundation %d, want 2", got)
	}
	close(release)
	<-handedOver
	restart(t, sup, "children")
	if got := <-builtFrom; got != 2 {
		t.Errorf("got a pool built from foundation %d after the stuck incarnation handed over, want 2", got)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func restart(t *testing.T, sup *supervise.Supervisor, name string) {
	t.Helper()
	if err := sup.Restart(name); err != nil {
		t.Fatal(err)
	}
}
