package pool_test

import (
	"context"
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

func TestJobOfANewerVersionIsDoneByANewerProcessAndCountsNoAttempt(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	met := make(chan struct{}, 1000)
	pipelinetest.Serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		met <- struct{}{}
		_, err := job.Decode[job.Check]([]byte(`{"v":99,"quantum":true}`))
		return job.DeadFor(err)
	}})
	pipelinetest.Put(t, p, "job")
	for range 3 {
		pipelinetest.Receive(t, met, "the job at the older process")
	}
	if letters := pipelinetest.DeadLetters(t, p, deadletter.Filter{}); len(letters) > 0 {
		t.Errorf("got %+v, want no dead letter", letters)
	}
	done := make(chan int, 1)
	pipelinetest.Serve(t, p, pool.Config{Handler: func(_ context.Context, d pipeline.Delivery) error {
		done <- d.Attempt
		return nil
	}})
	if attempt := pipelinetest.Receive(t, done, "the job at the newer process"); attempt != 1 {
		t.Errorf("got attempt %d, want the first", attempt)
	}
	var notices []job.NoticeKind
	_, err := inspect.ReadSince(t.Context(), p, topology.Notice, time.Hour, func(d pipeline.Delivery) {
		n, err := job.Decode[job.Notice](d.Body)
		if err != nil {
			t.Error(err)
		}
		notices = append(notices, n.Kind)
	})
	if err != nil || len(notices) != 1 || notices[0] != job.NoticeNewer {
		t.Errorf("got notices %v, %v, want one notice to the operators", notices, err)
	}
}
