package pool_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// panicForTheStack is a function with a name that its stack shows.
func panicForTheStack() { panic("a bug") }

func TestHandlerThatPanicsIsANoticeOnceAnHour(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "worker-1"})
	pipelinetest.Put(t, p, "a")
	pipelinetest.Put(t, p, "b")
	pipelinetest.Put(t, p, "exits")
	seen := make(chan string, 100)
	pipelinetest.Serve(t, p, pool.Config{
		Stage: "check", Backoff: pool.Backoff{Initial: time.Hour, Jitter: 0.1},
		Handler: func(_ context.Context, d pipeline.Delivery) error {
			seen <- d.Subject
			if strings.HasSuffix(d.Subject, "exits") {
				runtime.Goexit()
			}
			panicForTheStack()
			return nil
		},
	})
	for range 3 {
		pipelinetest.Receive(t, seen, "a job")
	}
	notices := map[string]job.Notice{}
	ctx, enough := context.WithTimeout(t.Context(), pipelinetest.Patience)
	defer enough()
	err := inspect.Tail(ctx, p, topology.Notice, time.Hour, func(d pipeline.Delivery) {
		n, err := job.Decode[job.Notice](d.Body)
		if err != nil {
			t.Error(err)
		}
		notices[n.ID] = n
		if len(notices) == 2 {
			enough()
		}
	})
	if err != nil || len(notices) != 2 {
		t.Fatalf("got %v, %v, want one notice for both panics and one for the exit", notices, err)
	}
	for _, n := range notices {
		exit := strings.Contains(n.Summary, "handler called runtime.Goexit")
		if n.Kind != job.NoticePanic || n.Source != "worker-1" || !strings.HasPrefix(n.Summary, "stage check, at adhoc.here.") {
			t.Errorf("got %+v, want what panicked, and at what", n)
		}
		if !exit && (!strings.Contains(n.Summary, "handler panicked: a bug") || !strings.Contains(n.Detail, "panicForTheStack")) {
			t.Errorf("got %+v, want the panic with its stack", n)
		}
	}
}
