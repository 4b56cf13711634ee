package producer_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
	"vedette/producer"
)

// patience is how long a failing test waits.
const patience = 30 * time.Second

func monitor(name string, interval time.Duration) job.Monitor {
	return job.Monitor{
		V: job.Version, Name: name, Interval: job.Duration(interval), Spec: job.Spec{TCP: &job.TCP{Address: "192.0.2.1:1"}},
	}
}

func apply(t *testing.T, p *pipeline.Pipeline, want producer.Definitions) producer.Change {
	t.Helper()
	change, err := producer.Apply(t.Context(), p, want, producer.ApplyOptions{})
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return change
}

func TestApplyWritesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	ops := job.Recipient{V: 1, Name: "ops", Addresses: []string{"ops@example.org"}}
	first := producer.Definitions{Monitors: []job.Monitor{monitor("a", time.Minute), monitor("b", time.Minute)}, Recipients: []job.Recipient{ops}}
	if diff := cmp.Diff(producer.Change{Added: []string{"a", "b", "recipient ops"}}, apply(t, p, first)); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	if got := apply(t, p, first); !got.Empty() || got.Same != 3 {
		t.Errorf("got %+v the second time, want nothing done", got)
	}
	second := producer.Definitions{Monitors: []job.Monitor{monitor("a", time.Hour), monitor("c", time.Minute)}}
	want := producer.Change{Added: []string{"c"}, Changed: []string{"a"}, Removed: []string{"b", "recipient ops"}, Monitors: 2}
	dry, err := producer.Apply(t.Context(), p, second, producer.ApplyOptions{Dry: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, dry); diff != "" {
		t.Errorf("dry (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, apply(t, p, second)); diff != "" {
		t.Errorf("second (-want +got):\n%s", diff)
	}
}

func schedule(t *testing.T, p *pipeline.Pipeline) (stop func()) {
	t.Helper()
	s, err := producer.NewScheduler(producer.SchedulerConfig{Pipeline: p})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("scheduler: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// take runs a pool that collects its jobs.
func take[T any](t *testing.T, p *pipeline.Pipeline, stream topology.Stream) <-chan T {
	t.Helper()
	taken := make(chan T, 10_000)
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "test", Stream: stream}, Limit: 32, Handler: func(_ context.Context, d pipeline.Delivery) error {
		message, err := job.Decode[T](d.Body)
		if err != nil {
			return job.DeadFor(err)
		}
		taken <- message
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- workers.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("pool: %v", err)
		}
	})
	return taken
}

func next[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(patience):
		t.Fatalf("got nothing for %s, want %s", patience, what)
		panic("unreachable")
	}
}

func TestThreeSchedulersRunEachSlotOnce(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	first := pipelinetest.Connect(t, b, pipeline.Config{Process: "first"})
	if err := first.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	const monitors = 40
	var want producer.Definitions
	for i := range monitors {
		want.Monitors = append(want.Monitors, monitor("m"+strconv.Itoa(i), 2*time.Second))
	}
	apply(t, first, want)
	checks := take[job.Check](t, first, topology.Checks)
	stops := []func(){schedule(t, first)}
	for _, name := range []string{"second", "third"} {
		stops = append(stops, schedule(t, pipelinetest.Connect(t, b, pipeline.Config{Process: name})))
	}
	slots := map[string]int{}
	for range 4 * monitors {
		check := next(t, checks, "a check")
		slots[fmt.Sprintf("%s %s", check.Monitor, check.Slot)]++
		if check.NotAfter.Sub(check.Slot) != 2*time.Second || check.Location != job.DefaultLocation {
			t.Fatalf("got %+v, want a slot and an end an interval later", check)
		}
	}
	for _, stop := range stops {
		stop()
	}
	for slot, n := range slots {
		if n != 1 {
			t.Errorf("got slot %s %d times, want once", slot, n)
		}
	}
}

func TestSlotsDuringOutageAreMissed(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Shards: 1})
	m := monitor("a", time.Second)
	apply(t, p, producer.Definitions{Monitors: []job.Monitor{m}})
	checks, results := take[job.Check](t, p, topology.Checks), take[job.Results](t, p, topology.Result)
	stop := schedule(t, p)
	before := next(t, checks, "a check").Slot
	stop()
	// During the outage ticks continue, but no scheduler receives them.
	<-time.After(4 * time.Second)
	for len(checks) > 0 {
		before = next(t, checks, "a check").Slot
	}
	schedule(t, p)
	after := next(t, checks, "a check after the outage").Slot
	missed := int(after.Sub(before)/time.Second) - 1
	if missed < 2 {
		t.Fatalf("got slots %s and %s, want an outage between", before, after)
	}
	got := next(t, results, "a recorded miss").Results
	if len(got) != 1 || got[0].Miss == nil || got[0].Miss.Reason != job.MissNoProcess || got[0].Miss.Count != missed ||
		!got[0].Slot.Equal(before.Add(time.Second)) || !got[0].Miss.Last.Equal(after.Add(-time.Second)) {
		t.Errorf("got %+v, want the %d slots between %s and %s missed", got, missed, before, after)
	}
}

func TestOverlappingSlotIsMissed(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Shards: 1})
	apply(t, p, producer.Definitions{Monitors: []job.Monitor{monitor("a", time.Second)}})
	results := take[job.Results](t, p, topology.Result)
	leases, err := p.Bucket(t.Context(), topology.Processes)
	if err != nil {
		t.Fatal(err)
	}
	lease, err := job.Encode(job.Process{V: 1, ID: "p1", Stages: []string{"check"}, Location: job.DefaultLocation})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leases.Put(t.Context(), "p1", lease); err != nil {
		t.Fatal(err)
	}
	schedule(t, p) // the running worker takes no job, so the first check stays queued
	got := next(t, results, "an overlap").Results
	if len(got) != 1 || got[0].Miss == nil || got[0].Miss.Reason != job.MissOverlap {
		t.Errorf("got %+v, want an overlap", got)
	}
}

func TestMissReasonsWithoutWorkerAndWhenPaused(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Shards: 1})
	paused := monitor("paused", time.Second)
	paused.Paused = true
	apply(t, p, producer.Definitions{Monitors: []job.Monitor{monitor("a", time.Second), paused}})
	results := take[job.Results](t, p, topology.Result)
	schedule(t, p)
	reasons := map[string]job.MissReason{}
	for len(reasons) < 2 {
		for _, r := range next(t, results, "a miss").Results {
			reasons[r.Monitor] = r.Miss.Reason
		}
	}
	if diff := cmp.Diff(map[string]job.MissReason{"a": job.MissNoWorker, "paused": job.MissPaused}, reasons); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if lives, err := inspect.Exists(t.Context(), p, topology.Checks, topology.CheckSubject(job.DefaultLocation, "paused")); err != nil || lives {
		t.Errorf("got %v, %v, want no check of what is paused", lives, err)
	}
}

func TestInvalidDefinitionAffectsNoOtherMonitor(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Shards: 1})
	bucket, err := p.Bucket(t.Context(), topology.Monitors)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"broken": `{"name": `, "lazy": `{"v":1,"name":"lazy","interval":"10ms"}`} {
		if _, err := bucket.Put(t.Context(), topology.MonitorKey(name), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	good := monitor("good", time.Second)
	body, err := job.Encode(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Put(t.Context(), topology.MonitorKey("good"), body); err != nil {
		t.Fatal(err)
	}
	checks := take[job.Check](t, p, topology.Checks)
	schedule(t, p)
	if got := next(t, checks, "a check of the good one"); got.Monitor != "good" {
		t.Errorf("got a check of %s, want good", got.Monitor)
	}
}

func TestSchedulerNeedsPipeline(t *testing.T) {
	t.Parallel()
	if _, err := producer.NewScheduler(producer.SchedulerConfig{}); err == nil || !strings.Contains(err.Error(), "pipeline") {
		t.Errorf("got %v, want an error", err)
	}
}
