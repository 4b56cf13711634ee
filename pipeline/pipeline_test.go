package pipeline_test

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestEnsureTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	if err := p.Ensure(t.Context()); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if err := p.CheckInstalled(t.Context()); err != nil {
		t.Errorf("got %v, want an installation", err)
	}
}

func TestEnsureNamesTheStreamWhoseChangeTheServerRefuses(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	p := pipelinetest.Connect(t, b, pipeline.Config{Replicas: 3})
	err := p.Ensure(t.Context())
	if err == nil || !contains(err.Error(), "VEDETTE_TICK") {
		t.Errorf("got %v, want an error that names VEDETTE_TICK, since one node cannot hold three replicas", err)
	}
}

func TestNothingIsInstalledByLooking(t *testing.T) {
	t.Parallel()
	p := pipelinetest.Connect(t, pipelinetest.Broker(t), pipeline.Config{})
	if err := p.CheckInstalled(t.Context()); !errors.Is(err, pipeline.ErrNotInstalled) {
		t.Errorf("got %v, want ErrNotInstalled", err)
	}
}

func TestPrefixIsRefusedUnlessItIsAToken(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	for _, prefix := range []string{"a.b", "A", "a b", ">"} {
		_, err := pipeline.Connect(t.Context(), pipeline.Config{InProcess: b, Prefix: prefix})
		if err == nil || !contains(err.Error(), prefix) {
			t.Errorf("got %v, want an error that shows %q", err, prefix)
		}
	}
}

func TestTwoInstallationsShareAServer(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	for _, prefix := range []string{"one", "two"} {
		p := pipelinetest.Connect(t, b, pipeline.Config{Prefix: prefix})
		if err := p.Ensure(t.Context()); err != nil {
			t.Fatalf("install %s: %v", prefix, err)
		}
		put(t, p, "same")
	}
}

func TestWrongSecretIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatalf("start broker: %v", err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = pipeline.Connect(ctx, pipeline.Config{URL: strings.Replace(b.URL(), b.Secret(), "wrong", 1)})
	if !errors.Is(err, pipeline.ErrUnknownUser) || ctx.Err() != nil {
		t.Errorf("got %v, want ErrUnknownUser before the deadline", err)
	}
}

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
	workers, _ := serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		close(began)
		<-release
		return nil
	}})
	receive(t, began, "the job")
	if err := p.Publish(t.Context(), message); !errors.Is(err, pipeline.ErrOccupied) {
		t.Errorf("got %v, want ErrOccupied while it runs", err)
	}
	close(release)
	eventually(t, "an empty queue", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Depth == 0
	})
}

func TestPublishAllTellsEachMessageItsOwnFate(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "taken")
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

func TestSwapLosesAgainstALaterRevision(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.States)
	if err != nil {
		t.Fatalf("open bucket: %v", err)
	}
	first, err := bucket.CompareAndSwap(t.Context(), "a", []byte("1"), 0)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	if _, err := bucket.CompareAndSwap(t.Context(), "a", []byte("x"), 0); !errors.Is(err, pipeline.ErrConflict) {
		t.Errorf("got %v, want ErrConflict for a second creation", err)
	}
	if _, err := bucket.CompareAndSwap(t.Context(), "a", []byte("2"), first); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if _, err := bucket.CompareAndSwap(t.Context(), "a", []byte("x"), first); !errors.Is(err, pipeline.ErrConflict) {
		t.Errorf("got %v, want ErrConflict for an old revision", err)
	}
	found, err := bucket.Get(t.Context(), "a")
	if err != nil || string(found.Value) != "2" {
		t.Errorf("got %q, %v, want 2", found.Value, err)
	}
	if err := bucket.Delete(t.Context(), "a"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := bucket.Get(t.Context(), "a"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	entries, err := bucket.Load(t.Context())
	if err != nil || len(entries) != 0 {
		t.Errorf("got %v, %v, want no entries", entries, err)
	}
}

func TestManyWritesAreAllDoneAndCanBeReadBack(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Monitors)
	if err != nil {
		t.Fatal(err)
	}
	const many = 3000 // more than are on their way at once
	writes, want := make([]pipeline.Write, many), map[string]string{}
	for i := range writes {
		key := "monitor.m" + strconv.Itoa(i)
		writes[i], want[key] = pipeline.Write{Key: key, Value: []byte(key)}, key
	}
	if err := bucket.WriteAll(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	read := func(e pipeline.Entry) { got[e.Key] = string(e.Value) }
	if err := bucket.Each(t.Context(), read); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %d keys, %v, want %d", len(got), err, many)
	}
	if err := bucket.WriteAll(t.Context(), []pipeline.Write{{Key: "monitor.m0", Delete: true}}); err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Get(t.Context(), "monitor.m0"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("got %v for a key that was deleted, want %v", err, pipeline.ErrNotFound)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := bucket.Each(ended, read); err == nil {
		t.Error("got no error of a context that has ended, want one")
	}
	large := pipeline.Write{Key: "monitor.large", Value: make([]byte, topology.MaxMessage+1)}
	if err := bucket.WriteAll(t.Context(), []pipeline.Write{large, writes[1]}); !errors.Is(err, pipeline.ErrTooLarge) {
		t.Errorf("got %v, want %v", err, pipeline.ErrTooLarge)
	}
}

func TestLoadOfAnEndedContextIsAnErrorAndNotAnEmptyBucket(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.States)
	if err != nil {
		t.Fatalf("open bucket: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bucket.Load(ctx); err == nil {
		t.Error("got nil, want an error")
	}
}

func TestClocksTickEveryShardEverySecond(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Shards: 2})
	type tick struct {
		shard  string
		stored time.Time
	}
	ticks := make(chan tick, 100)
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "ticks", Stream: topology.Tick, Filter: "tick.due.*"}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		ticks <- tick{strings.TrimPrefix(d.Subject, "tick.due."), d.Stored}
		return nil
	}})
	if err != nil {
		t.Fatalf("make pool: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- workers.Serve(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	last := map[string]time.Time{}
	for range 6 {
		got := receive(t, ticks, "a tick")
		second := got.stored.Truncate(time.Second)
		if before, seen := last[got.shard]; seen && !second.After(before) {
			t.Errorf("shard %s: got second %s after %s, want a later one", got.shard, second, before)
		}
		last[got.shard] = second
	}
	if len(last) != 2 {
		t.Errorf("got ticks of shards %v, want both", last)
	}
}
