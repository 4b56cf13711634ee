package pool_test

import (
	"context"
	"fmt"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

func TestJobsThatYieldMakeRoomForAsManyAgain(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	began, finish := make(chan struct{}, 10), make(chan struct{})
	workers, err := pool.New(p, pool.Config{
		Consumer: topology.Consumer{Name: "yielding", Stream: topology.Adhoc}, Limit: 2,
		Handler: func(ctx context.Context, _ pipeline.Delivery) error {
			pool.Yield(ctx)
			pool.Yield(ctx) // has nothing more to give
			began <- struct{}{}
			<-finish
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if err := p.Publish(t.Context(), pipeline.Message{Subject: fmt.Sprintf("adhoc.default.j%d", i), Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- workers.Serve(ctx) }()
	for range 4 { // those of both slots yield, and are followed by two others, whose slots are all that is left
		<-began
	}
	pipelinetest.Eventually(t, "slots that were given back", func() bool { return workers.Status().Running == 0 })
	delivered, _, err := inspect.Delivered(t.Context(), p, topology.Consumer{Name: "yielding", Stream: topology.Adhoc})
	if err != nil || delivered != 4 {
		t.Errorf("got %d delivered, %v, want four of six: twice the limit", delivered, err)
	}
	close(finish)
	for range 2 {
		<-began
	}
	pipelinetest.Eventually(t, "all jobs to be done", func() bool { return workers.Status().Done == 6 && workers.Status().Running == 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestYieldOutsideOfAPoolDoesNothing(t *testing.T) {
	t.Parallel()
	pool.Yield(t.Context())
}
