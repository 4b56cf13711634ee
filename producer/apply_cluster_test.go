package producer_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/producer"
)

// 'vedette run' applies its file while the cluster may be electing a leader.
func TestApplyWaitsForLeader(t *testing.T) {
	t.Parallel()
	cluster := pipelinetest.NewCluster(t)
	first := cluster.Connect(pipeline.Config{Replicas: 3})
	if err := first.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply(t, first, producer.Definitions{Monitors: []job.Monitor{monitor("a", time.Minute)}})
	cluster.Stop(0)
	cluster.Stop(1)
	waits := make(chan struct{}, 1)
	p := cluster.Connect(pipeline.Config{Logger: slog.New(slog.NewTextHandler(writerFunc(func(line []byte) (int, error) {
		if strings.Contains(string(line), "has no leader; retrying") {
			select {
			case waits <- struct{}{}:
			default:
			}
		}
		return len(line), nil
	}), nil))})
	done := make(chan error, 1)
	var change producer.Change
	go func() {
		err := p.Ensure(t.Context())
		if err == nil {
			change, err = producer.Apply(t.Context(), p, producer.Definitions{Monitors: []job.Monitor{monitor("a", time.Hour), monitor("b", time.Minute)}}, producer.ApplyOptions{})
		}
		done <- err
	}()
	<-waits
	cluster.Start(0)
	if err := <-done; err != nil {
		t.Fatalf("got %v, want patience", err)
	}
	if len(change.Added) != 1 || len(change.Changed) != 1 {
		t.Errorf("got %+v, want one added and one changed", change)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(line []byte) (int, error) { return f(line) }
