package pipeline_test

import (
	"context"
	"fmt"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/pipelinetest"
)

func TestJobsThatYieldMakeRoomForAsManyAgain(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	began, finish := make(chan struct{}, 10), make(chan struct{})
	pool, err := p.NewPool(pipeline.PoolConfig{
		Name: "yielding", Stream: pipeline.Adhoc, Limit: 2,
		Handler: func(ctx context.Context, _ pipeline.Delivery) error {
			pipeline.Yield(ctx)
			pipeline.Yield(ctx) // has nothing more to give
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
	go func() { ended <- pool.Serve(ctx) }()
	for range 4 { // those of both slots yield, and are followed by two others, whose slots are all that is left
		<-began
	}
	eventually(t, "slots that were given back", func() bool { return pool.Status().Running == 0 })
	delivered, _, err := p.Delivered(t.Context(), pipeline.Adhoc, "yielding")
	if err != nil || delivered != 4 {
		t.Errorf("got %d delivered, %v, want four of six: twice the limit", delivered, err)
	}
	close(finish)
	for range 2 {
		<-began
	}
	eventually(t, "all jobs to be done", func() bool { return pool.Status().Done == 6 && pool.Status().Running == 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestYieldOutsideOfAPoolDoesNothing(t *testing.T) {
	t.Parallel()
	pipeline.Yield(t.Context())
}
