package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
)

// A stream that refuses a message with good reason stores others, so it must not
// count as broken; a stream that does not answer or is gone counts until it stores
// a message.
func TestStreamThatStoresNothingIsListedUntilItStoresAgain(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	adhoc := pipeline.Message{Subject: topology.AdhocSubject("here", "a"), Body: []byte("{}")}
	publish := func() {
		limited, cancel := context.WithTimeout(t.Context(), pipelinetest.Patience)
		defer cancel()
		_ = p.Publish(limited, adhoc)
	}
	publish()
	if err := p.Publish(t.Context(), adhoc); !errors.Is(err, pipeline.ErrOccupied) || len(p.Unstored()) != 0 {
		t.Fatalf("got %v and %v, want an occupied subject, which is no failure", err, p.Unstored())
	}
	bucket, err := p.Bucket(t.Context(), topology.Digests)
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []topology.Stream{topology.Adhoc, topology.Digests.Stream()} {
		if err := p.JetStream().DeleteStream(t.Context(), p.Names().Stream(stream)); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan struct{})
	go func() { // it retries
		defer close(ended)
		publish()
	}()
	pipelinetest.Eventually(t, "a failure", func() bool { return len(p.Unstored()) > 0 })
	limited, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := bucket.Put(limited, "key", []byte("x")); err == nil {
		t.Error("got no error from a bucket that is gone, want one")
	}
	found := p.Unstored()
	if len(found) != 2 || found[0].Stream != topology.Adhoc || found[1].Stream != topology.Digests.Stream() || found[0].Err == nil || found[0].Since.IsZero() {
		t.Errorf("got %+v, want both streams with their errors", found)
	}
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	pipelinetest.Receive(t, ended, "the end of the retries")
	if errs := p.PublishAll(t.Context(), []pipeline.Message{{Subject: topology.AdhocSubject("here", "b"), Body: []byte("{}")}}); errs[0] != nil {
		t.Error(errs[0])
	}
	if err := bucket.WriteAll(t.Context(), []pipeline.Write{{Key: "key", Value: []byte("x")}}); err != nil {
		t.Error(err)
	}
	if found := p.Unstored(); len(found) != 0 {
		t.Errorf("got %+v, want none after both stored a message", found)
	}
}
