package producer_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline"
	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
	"vedette/producer"
)

// encoded returns monitors in their stored form, as from a large file.
func encoded(t *testing.T, monitors ...job.Monitor) *compact.Map[uint32] {
	t.Helper()
	var all compact.Map[uint32]
	for _, m := range monitors {
		body, err := job.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		all.Put(m.Name, body)
	}
	return &all
}

// revisions returns the revision for each key.
func revisions(t *testing.T, p *pipeline.Pipeline) map[string]uint64 {
	t.Helper()
	bucket, err := p.Bucket(t.Context(), topology.Monitors)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]uint64{}
	if err := bucket.Each(t.Context(), func(e pipeline.Entry) { found[e.Key] = e.Revision }); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestApplyWritesOnlyChangedEncodedMonitors(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	ops := job.Recipient{V: 1, Name: "ops", Addresses: []string{"ops@example.org"}}
	a, b, c, d := monitor("a", time.Minute), monitor("b", time.Minute), monitor("c", time.Minute), monitor("d", time.Minute)
	first := producer.Definitions{
		Monitors: []job.Monitor{d}, Encoded: encoded(t, a, b), Recipients: []job.Recipient{ops}, Settings: job.Settings{Operators: []string{"ops"}},
	}
	if diff := cmp.Diff(producer.Change{Added: []string{"a", "b", "d", "recipient ops", "settings"}}, apply(t, p, first)); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	before := revisions(t, p)
	if diff := cmp.Diff(producer.Change{Same: 5, Monitors: 3}, apply(t, p, first)); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, revisions(t, p)); diff != "" {
		t.Errorf("got something written by what changes nothing (-before +after):\n%s", diff)
	}

	changed := monitor("a", time.Hour)
	second := producer.Definitions{Encoded: encoded(t, changed, c, d), Recipients: []job.Recipient{ops}}
	want := producer.Change{Added: []string{"c"}, Changed: []string{"a"}, Removed: []string{"b", "settings"}, Same: 2, Monitors: 3}
	if diff := cmp.Diff(want, apply(t, p, second)); diff != "" {
		t.Errorf("second (-want +got):\n%s", diff)
	}
	after := revisions(t, p)
	if after["monitor.d"] != before["monitor.d"] || after["monitor.a"] == before["monitor.a"] || after["monitor.c"] == 0 || len(after) != 4 {
		t.Errorf("got revisions %v after %v, want a new one for a and c, and d as it was", after, before)
	}
	if got := apply(t, p, second); !got.Empty() {
		t.Errorf("got %+v when applied again, want nothing done", got)
	}
}

func TestApplyReportsProgress(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const n = 12_000
	many := make([]job.Monitor, n)
	for i := range many {
		many[i] = monitor("m-"+time.Duration(i).String(), time.Minute)
	}
	var compared []int
	var written [][2]int
	options := producer.ApplyOptions{
		Compared: func(definitions int) { compared = append(compared, definitions) },
		Progress: func(done, all int) { written = append(written, [2]int{done, all}) },
	}
	for range 2 {
		if _, err := producer.Apply(t.Context(), p, producer.Definitions{Encoded: encoded(t, many...)}, options); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([][2]int{{10_000, n}, {n, n}}, written); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{10_000}, compared); diff != "" {
		t.Errorf("compared (-want +got):\n%s", diff)
	}
}
