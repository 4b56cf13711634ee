package pipeline_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

func TestSecondMessageOnAnOccupiedSubjectIsRefusedUntilTheFirstIsDone(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	message := pipeline.Message{Subject: topology.AdhocSubject("here", "a"), Body: []byte("{}")}
	if err := p.Publish(t.Context(), message); err != nil {
		t.Fatalf("publish: %v", err)
	}
	if err := p.Publish(t.Context(), message); !errors.Is(err, pipeline.ErrOccupied) {
		t.Fatalf("got %v, want ErrOccupied while it waits", err)
	}
	began, release := make(chan struct{}), make(chan struct{})
	workers, _ := pipelinetest.Serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		close(began)
		<-release
		return nil
	}})
	pipelinetest.Receive(t, began, "the job")
	if err := p.Publish(t.Context(), message); !errors.Is(err, pipeline.ErrOccupied) {
		t.Errorf("got %v, want ErrOccupied while it runs", err)
	}
	close(release)
	pipelinetest.Eventually(t, "an empty queue", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Depth == 0
	})
}

func TestPublishAllReturnsOneErrorForEachMessage(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "taken")
	messages := []pipeline.Message{
		{Subject: topology.AdhocSubject("here", "one"), Body: []byte("{}")},
		{Subject: topology.AdhocSubject("here", "taken"), Body: []byte("{}")},
		{Subject: topology.AdhocSubject("here", "huge"), Body: make([]byte, topology.MaxMessage+1)},
		{Subject: topology.AdhocSubject("here", "two"), Body: []byte("{}")},
	}
	errs := p.PublishAll(t.Context(), messages)
	want := []error{nil, pipeline.ErrOccupied, pipeline.ErrTooLarge, nil}
	for i, err := range errs {
		if !errors.Is(err, want[i]) {
			t.Errorf("message %d: got %v, want %v", i, err, want[i])
		}
	}
}

func TestSameIDIsStoredOnce(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	message := pipeline.Message{Subject: topology.AdhocSubject("here", "a"), Body: []byte("{}"), ID: "slot"}
	for range 2 {
		if err := p.Publish(t.Context(), message); err != nil {
			t.Errorf("got %v, want nil: the second is the first again", err)
		}
	}
}

// A stream that is full must say so to each publisher; messages that are
// published without waiting for an answer vanish there.
func TestFullStreamIsFeltByThePublisherAndWaitingEndsWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const room = 10_000 // of the stream of calls
	messages := make([]pipeline.Message, room+5)
	for i := range messages {
		messages[i] = pipeline.Message{Subject: topology.CallMailSubject(strconv.Itoa(i)), Body: []byte("{}")}
	}
	refused := 0
	for i, err := range p.PublishAll(t.Context(), messages) {
		switch {
		case errors.Is(err, pipeline.ErrFull):
			refused++
		case err != nil:
			t.Fatalf("message %d: got %v, want nil or ErrFull", i, err)
		}
	}
	if refused != 5 {
		t.Errorf("got %d refused, want 5", refused)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	late := pipeline.Message{Subject: topology.CallMailSubject("late"), Body: []byte("{}"), Wait: true}
	if err := p.Publish(short, late); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, pipeline.ErrFull) {
		t.Errorf("got %v, want waiting until the context ends", err)
	}
	waited := make(chan []error, 1)
	go func() { waited <- p.PublishAll(t.Context(), []pipeline.Message{late}) }()
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "calls", Stream: topology.Call}, Limit: 256, Handler: func(context.Context, pipeline.Delivery) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	pipelinetest.Run(t, workers)
	if errs := pipelinetest.Receive(t, waited, "the end of waiting"); errs[0] != nil {
		t.Errorf("got %v, want the message stored once there was room", errs[0])
	}
}
