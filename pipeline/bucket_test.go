package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
)

// One of simultaneous writes wins and the others get a conflict, on replicas too,
// where the server has another error for it.
func TestSwapsThatMeetOnReplicasAreConflicts(t *testing.T) {
	t.Parallel()
	cluster := pipelinetest.NewCluster(t)
	p := cluster.Connect(pipeline.Config{Replicas: 3})
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	bucket, err := p.Bucket(t.Context(), topology.Deliveries)
	if err != nil {
		t.Fatal(err)
	}
	revision, err := bucket.Put(t.Context(), "key", []byte("0"))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		revision = race(t, bucket, revision)
	}
}

// race has several writers swap a key at once, and returns the winner's
// revision.
func race(t *testing.T, bucket *pipeline.Bucket, revision uint64) uint64 {
	t.Helper()
	const writers = 8
	won, lost := make(chan uint64, writers), make(chan error, writers)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			next, err := bucket.CompareAndSwap(t.Context(), "key", []byte("1"), revision)
			if err != nil {
				lost <- err
				return
			}
			won <- next
		})
	}
	group.Wait()
	close(lost)
	for err := range lost {
		if !errors.Is(err, job.ErrConflict) {
			t.Fatalf("got %v, want ErrConflict", err)
		}
	}
	if len(won) != 1 {
		t.Fatalf("got %d winners, want one", len(won))
	}
	return <-won
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
	if _, err := bucket.CompareAndSwap(t.Context(), "a", []byte("x"), 0); !errors.Is(err, job.ErrConflict) {
		t.Errorf("got %v, want ErrConflict for a second creation", err)
	}
	if _, err := bucket.CompareAndSwap(t.Context(), "a", []byte("2"), first); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if _, err := bucket.CompareAndSwap(t.Context(), "a", []byte("x"), first); !errors.Is(err, job.ErrConflict) {
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

func TestKeyIsRemovedOnlyIfItDidNotChange(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Processes)
	if err != nil {
		t.Fatal(err)
	}
	first, err := bucket.Put(t.Context(), "k", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := bucket.Put(t.Context(), "k", []byte("2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Remove(t.Context(), "k", first); !errors.Is(err, job.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if err := bucket.Remove(t.Context(), "k", second); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestKeysAreLoadedByAFilter(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Notifications)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a.g", "a.g.web.1", "a.h.web.1", "b.g.web", "b.g"} {
		if _, err := bucket.Put(t.Context(), key, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for filter, want := range map[string]string{
		"*.*": "a.g b.g", "a.g.>": "a.g.web.1", "*.*.web.1": "a.g.web.1 a.h.web.1", "*.*.>": "a.g.web.1 a.h.web.1 b.g.web", "c.>": "",
	} {
		entries, err := bucket.LoadMatching(t.Context(), filter)
		var keys []string
		for _, e := range entries {
			keys = append(keys, e.Key)
		}
		slices.Sort(keys)
		if got := fmt.Sprint(keys); err != nil || got != "["+want+"]" {
			t.Errorf("%s: got %s, %v, want %s", filter, got, err, want)
		}
	}
}

func TestUpdateReadsAgainAfterAConflictAndGivesUpInTheEnd(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Cursors)
	if err != nil {
		t.Fatal(err)
	}
	interfere := 0 // how many steps lose against another writer
	add := func() (counter, bool, error) {
		return pipeline.Update(t.Context(), bucket, "n", job.Decode[counter], func(c counter) (counter, bool) {
			if interfere > 0 {
				interfere--
				if _, err := bucket.Put(t.Context(), "n", fmt.Appendf(nil, `{"v":1,"n":%d}`, c.N+10)); err != nil {
					t.Error(err)
				}
			}
			return counter{V: job.Version, N: c.N + 1}, c.N < 20 || interfere > 0
		})
	}
	for _, c := range []struct{ interfere, want int }{{0, 1}, {1, 12}} {
		interfere = c.interfere
		if got, written, err := add(); got.N != c.want || !written || err != nil {
			t.Errorf("got %+v, %t, %v, want %d written", got, written, err, c.want)
		}
	}
	interfere = 100
	if _, written, err := add(); written || !errors.Is(err, job.ErrConflict) {
		t.Errorf("got %t, %v, want ErrConflict", written, err)
	}
	interfere = 0
	before, err := bucket.Get(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	if got, written, err := add(); got.N < 20 || written || err != nil {
		t.Errorf("got %+v, %t, %v, want nothing written", got, written, err)
	}
	if after, err := bucket.Get(t.Context(), "n"); err != nil || after.Revision != before.Revision {
		t.Errorf("got revision %d, %v, want %d", after.Revision, err, before.Revision)
	}
}

type counter struct {
	V int `json:"v"`
	N int `json:"n"`
}

func TestChangesAreWatchedWithoutThePresentKeys(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Monitors)
	if err != nil {
		t.Fatal(err)
	}
	write := func(key string) {
		t.Helper()
		if _, err := bucket.Put(t.Context(), key, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	write("monitor.old")
	ctx, stop := context.WithCancel(t.Context())
	started, seen, done := make(chan struct{}), make(chan pipeline.Entry, 10), make(chan error, 1)
	go func() {
		done <- bucket.WatchChanges(ctx, topology.MonitorKeys, func(e pipeline.Entry) { seen <- e }, func() { close(started) })
	}()
	<-started
	write("recipient.other")
	write("monitor.new")
	if err := bucket.Delete(t.Context(), "monitor.old"); err != nil {
		t.Fatal(err)
	}
	if first, second := <-seen, <-seen; first.Key != "monitor.new" || first.Deleted || second.Key != "monitor.old" || !second.Deleted {
		t.Errorf("got %+v and %+v, want the new key and the deleted one", first, second)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
