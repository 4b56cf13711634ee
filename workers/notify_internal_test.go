package workers

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// began is when what these tests tell of happened.
var began = time.Now().UTC().Truncate(time.Second).Add(-time.Minute)

// put stores a message under a key of a bucket.
func put(t *testing.T, p *pipeline.Pipeline, name topology.Bucket, key string, value any) {
	t.Helper()
	bucket, err := p.Bucket(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	body, err := job.Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Put(t.Context(), key, body); err != nil {
		t.Fatal(err)
	}
}

func define(t *testing.T, p *pipeline.Pipeline, m job.Monitor) {
	t.Helper()
	m.V, m.Spec, m.Interval = job.Version, job.Spec{TCP: &job.TCP{Address: m.Name + ":1"}}, job.Duration(time.Second)
	put(t, p, topology.Monitors, topology.MonitorKey(m.Name), m)
}

// relatives is a family over a pipeline whose check workers find the health that
// a test says.
func relatives(t *testing.T, p *pipeline.Pipeline, health *atomic.Value, checks *atomic.Int64) (*family, *notify.Notifier) {
	t.Helper()
	common := &shared{p: p, log: slog.New(slog.DiscardHandler)}
	buckets, err := (&notifyStage{shared: common}).openBuckets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	replies, err := p.Replies()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replies.Close() })
	renderer, err := notify.NewRenderer(notify.Templates{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := notify.New(notify.Config{
		Store: &ledgerStore{bucket: buckets[topology.Notifications]}, Outbox: &alertOutbox{p: p}, Deliveries: &deliveryStore{bucket: buckets[topology.Deliveries]},
		Timers: &timers{p: p}, Renderer: renderer,
	})
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(Config{Pipeline: p, Stages: []string{StageCheck}, Prober: proberFunc(func(context.Context, job.Spec) job.ProbeResult {
		checks.Add(1)
		found, _ := health.Load().(job.Health)
		return job.ProbeResult{Health: found, Started: time.Now()}
	})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("workers: %v", err)
		}
	})
	return newFamily(common, buckets, replies), n
}

type proberFunc func(context.Context, job.Spec) job.ProbeResult

func (f proberFunc) Check(ctx context.Context, spec job.Spec) job.ProbeResult { return f(ctx, spec) }

func TestParentIsAskedWhetherItIsDownNow(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	var health atomic.Value
	var checks atomic.Int64
	health.Store(job.Up)
	f, n := relatives(t, p, &health, &checks)
	n.Directory().Set(job.Recipient{Name: "oncall", Addresses: []string{"ops@example.org"}})
	define(t, p, job.Monitor{Name: "core"})
	define(t, p, job.Monitor{Name: "router", DependsOn: []string{"core"}})
	tale := &job.Notified{ReceivedAt: time.Now(), Incident: job.Incident{Monitor: "host", Began: began, DependsOn: []string{"router", "removed"}}}
	ask := func() notify.Mute {
		f.mu.Lock()
		clear(f.verdicts) // as if time had passed
		f.mu.Unlock()
		return f.parents(t.Context(), n, "ops@example.org")(tale)
	}

	if got := ask(); got.Kind != "" {
		t.Errorf("got %+v, want nothing held: the parent is up", got)
	}
	if checks.Load() == 0 {
		t.Error("got no check, want the parent checked now")
	}
	health.Store(job.Down)
	if got := ask(); got.Kind != notify.MutePending || got.By != "router" || !got.Until.After(time.Now()) {
		t.Errorf("got %+v, want to wait for the judgement of the parent that fails", got)
	}
	tale.ReceivedAt = time.Now().Add(-time.Hour)
	if got := ask(); got.Kind != "" {
		t.Errorf("got %+v, want an end of patience", got)
	}
	health.Store(job.Unknown)
	tale.ReceivedAt = time.Now()
	if got := ask(); got.Kind != "" {
		t.Errorf("got %+v, want nothing held by what is not known", got)
	}

	down := job.Incident{ID: "i", Condition: job.ConditionDown, Monitor: "core", Began: began, Notify: []string{"oncall"}}
	put(t, p, topology.States, "core", job.State{V: 1, Monitor: "core", Health: job.Down, Incident: &down})
	before := checks.Load()
	if got := ask(); got.Kind != notify.MuteParent || got.By != "core" || !got.Notified {
		t.Errorf("got %+v, want the first cause, which the address hears of", got)
	}
	if checks.Load() != before {
		t.Error("got a check of what is known to be down")
	}
	if got := f.parents(t.Context(), n, "other@example.org")(tale); got.Notified {
		t.Errorf("got %+v, want it known that the other address does not hear of it", got)
	}
	n.Mutes().SetSilence(job.Silence{ID: "s", Match: job.Match{Monitors: []string{"core"}}, Starts: began, Ends: time.Now().Add(time.Hour)})
	if got := ask(); got.Kind != notify.MuteSilence {
		t.Errorf("got %+v, want the silence of the parent to count for what is behind it", got)
	}
	n.Mutes().RemoveSilence("s")

	recovered := time.Now().UTC().Truncate(time.Second)
	put(t, p, topology.States, "core", job.State{V: 1, Monitor: "core", Health: job.Up, Events: []job.Event{{Kind: job.EventEnded, At: recovered, Incident: down}}})
	define(t, p, job.Monitor{Name: "router"}) // which hides no cause any more
	tale.Incident.DependsOn = []string{"core"}
	tale.Incident.Period = job.Duration(time.Minute)
	health.Store(job.Up)
	if got := ask(); got.Kind != notify.MutePending || !got.Until.Equal(recovered.Add(2*time.Minute)) {
		t.Errorf("got %+v, want time to recover after the parent has", got)
	}
	tale.Resolution = &job.Resolution{At: recovered}
	if got := ask(); got.Kind != notify.MuteParent || got.By != "core" {
		t.Errorf("got %+v, want what is over to have been because of the parent", got)
	}
}
