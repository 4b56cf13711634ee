package pipeline_test

import (
	"context"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// Timers are server schedules. They fire once, when they are due, and
// setting one again moves it.
func TestTimerFiresOnceWhenItIsDueAndIsMovedByBeingSetAgain(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	fired := make(chan pipeline.Delivery, 10)
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "timer", Stream: topology.Timer, Filter: "timer.due.test.*"}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		fired <- d
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	pipelinetest.Run(t, workers)
	now := time.Now()
	if err := p.SetTimer(t.Context(), "test", "moved", now.Add(time.Hour), []byte("late")); err != nil {
		t.Fatal(err)
	}
	at := now.Add(2 * time.Second)
	if err := p.SetTimer(t.Context(), "test", "moved", at, []byte("soon")); err != nil {
		t.Fatal(err)
	}
	if err := p.SetTimer(t.Context(), "test", "past", now.Add(-time.Hour), []byte("past")); err != nil {
		t.Fatal(err)
	}
	if got := pipelinetest.Receive(t, fired, "the timer of the past"); string(got.Body) != "past" {
		t.Errorf("got %q first, want what is overdue at once", got.Body)
	}
	got := pipelinetest.Receive(t, fired, "the timer that was moved")
	if string(got.Body) != "soon" || got.Subject != topology.TimerSubject("test", "moved") || got.Stored.Before(at.Truncate(time.Second)) {
		t.Errorf("got %q of %s at %s, want the moved one at %s", got.Body, got.Subject, got.Stored, at)
	}
}
