package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
)

// The server's word that a message is stored can get lost. Publishing it again
// must neither store it twice nor call it a failure.
func TestLostWordOfThePublishIsNeitherALossNorADouble(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	line := pipelinetest.NewProxy(t, strings.TrimPrefix(b.URL(), "nats://"+broker.User+":"+b.Secret()+"@"))
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: "nats://" + broker.User + ":" + b.Secret() + "@" + line.Address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	witness := pipelinetest.Connect(t, b, pipeline.Config{})
	line.Deaf.Store(true)
	done := make(chan error, 1)
	go func() {
		done <- p.Publish(t.Context(), pipeline.Message{Subject: topology.AdhocSubject("here", "a"), Body: []byte("{}"), ID: "a-1"})
	}()
	stored := func() uint64 {
		n, err := inspect.Count(t.Context(), witness, topology.Adhoc)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	pipelinetest.Eventually(t, "a stored message", func() bool { return stored() == 1 })
	line.Deaf.Store(false)
	if err := pipelinetest.Receive(t, done, "the end of the publish"); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if got := stored(); got != 1 {
		t.Errorf("got %d messages, want 1", got)
	}
}

// The server forgets the ids of messages when it restarts, but not the subjects
// of stored ones.
func TestJobIsEnqueuedOnceThroughARestartOfTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := broker.Config{Dir: dir, Listen: "127.0.0.1:0"}
	first, err := broker.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: first.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	pipelinetest.Put(t, p, "a")
	config.Listen = strings.TrimPrefix(p.URL(), "nats://")
	if _, after, found := strings.Cut(config.Listen, "@"); found {
		config.Listen = after
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second, err := broker.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Stop() })
	err = p.Publish(t.Context(), pipeline.Message{Subject: topology.AdhocSubject("here", "a"), Body: []byte("{}"), ID: "another"})
	if !errors.Is(err, pipeline.ErrOccupied) {
		t.Errorf("got %v, want ErrOccupied: the job lives", err)
	}
}

// Answers get lost with a node. The caller must notice within seconds, however long
// its context lasts, so that it can retry.
func TestRequestWhoseAnswerIsLostFailsLongBeforeItsContextEnds(t *testing.T) {
	t.Parallel()
	b, _ := pipelinetest.Listening(t)
	credentials := broker.User + ":" + b.Secret() + "@"
	line := pipelinetest.NewProxy(t, strings.TrimPrefix(b.URL(), "nats://"+credentials))
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: "nats://" + credentials + line.Address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	bucket, err := p.Bucket(t.Context(), topology.Deliveries)
	if err != nil {
		t.Fatal(err)
	}
	line.Deaf.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), pipelinetest.Patience)
	defer cancel()
	if _, err := bucket.CompareAndSwap(ctx, "key", []byte("1"), 0); err == nil || ctx.Err() != nil {
		t.Errorf("got %v, want an error before the context ends", err)
	}
	line.Deaf.Store(false)
	pipelinetest.Eventually(t, "what was written", func() bool {
		entry, err := bucket.Get(t.Context(), "key")
		return err == nil && string(entry.Value) == "1"
	})
}
