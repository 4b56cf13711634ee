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

// began is the start of all incidents in these tests.
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

// newTestLookup returns a lookup on a pipeline whose check workers find the
// health that a test sets.
func newTestLookup(t *testing.T, p *pipeline.Pipeline, health *atomic.Value, checks *atomic.Int64) *checkingLookup {
	t.Helper()
	common := &shared{p: p, log: slog.New(slog.DiscardHandler)}
	buckets, err := pipeline.Buckets(t.Context(), p, notifyBuckets()...)
	if err != nil {
		t.Fatal(err)
	}
	replies, err := p.Replies()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replies.Close() })
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
	return newCheckingLookup(common, buckets, replies)
}

type proberFunc func(context.Context, job.Spec) job.ProbeResult

func (f proberFunc) Check(ctx context.Context, spec job.Spec) job.ProbeResult { return f(ctx, spec) }

func TestParentLookupChecksAParentNow(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	var health atomic.Value
	var checks atomic.Int64
	health.Store(job.Up)
	l := newTestLookup(t, p, &health, &checks)
	define(t, p, job.Monitor{Name: "core"})
	core, ok, err := l.Monitor(t.Context(), "core")
	if err != nil || !ok || core.TCP == nil {
		t.Fatalf("got %+v, %t, %v, want the definition", core, ok, err)
	}
	if _, ok, err := l.Monitor(t.Context(), "removed"); ok || err != nil {
		t.Errorf("got %t, %v, want no definition and no error", ok, err)
	}
	if state, err := l.State(t.Context(), "core"); err != nil || state.Health != "" {
		t.Errorf("got %+v, %v, want no state and no error", state, err)
	}
	for _, c := range []struct {
		health job.Health
		want   bool
	}{{job.Up, false}, {job.Down, true}, {job.Unknown, false}} {
		l.mu.Lock()
		clear(l.checked) // as if time had passed
		l.mu.Unlock()
		health.Store(c.health)
		before := checks.Load()
		for range 2 {
			if got := l.Failing(t.Context(), &core); got != c.want {
				t.Errorf("%s: got failing %t, want %t", c.health, got, c.want)
			}
		}
		if made := checks.Load() - before; made != 1 {
			t.Errorf("%s: got %d checks for two questions, want one", c.health, made)
		}
	}
}

func TestExplainerAnswersWithoutAnyCheck(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	var health atomic.Value
	var checks atomic.Int64
	health.Store(job.Down)
	newTestLookup(t, p, &health, &checks)
	put(t, p, topology.Monitors, topology.RecipientKey("oncall"), job.Recipient{V: job.Version, Name: "oncall", Addresses: []string{"ops@example.org"}})
	host := job.Monitor{Name: "host", DependsOn: []string{"router"}, Policy: job.Policy{Notify: []string{"oncall"}}}
	define(t, p, job.Monitor{Name: "core", Policy: host.Policy})
	define(t, p, job.Monitor{Name: "router", DependsOn: []string{"core"}, Policy: host.Policy})
	define(t, p, host)
	directory, mutes, err := LoadRecipients(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	explainer, err := NewExplainer(t.Context(), p, directory, mutes)
	if err != nil {
		t.Fatal(err)
	}
	mutesOf := func(m *job.Monitor) []notify.Mute {
		found, _, err := explainer.Explain(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}

	if got := mutesOf(&host); len(got) != 0 {
		t.Errorf("got %+v, want nothing held back while the parents are up", got)
	}
	down := job.Incident{ID: "i", Condition: job.ConditionDown, Monitor: "core", Began: began, Notify: []string{"oncall"}}
	put(t, p, topology.States, "core", job.State{V: job.Version, Monitor: "core", Health: job.Down, Incident: &down})
	if got := mutesOf(&host); len(got) != 1 || got[0].Kind != notify.MuteParent || got[0].By != "core" {
		t.Errorf("got %+v, want the first cause two levels up", got)
	}
	put(t, p, topology.States, "core", job.State{V: job.Version, Monitor: "core", Health: job.Up, Failures: 1})
	if got := mutesOf(&host); len(got) != 0 {
		t.Errorf("got %+v, want nothing held back for a parent that is not direct and only fails", got)
	}
	put(t, p, topology.States, "router", job.State{V: job.Version, Monitor: "router", Health: job.Up, Failures: 1})
	if got := mutesOf(&host); len(got) != 1 || got[0].Kind != notify.MutePending || got[0].By != "router" {
		t.Errorf("got %+v, want to wait for the parent that fails", got)
	}
	if got := checks.Load(); got != 0 {
		t.Errorf("got %d checks, want none", got)
	}
}
