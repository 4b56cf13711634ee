package producer

import (
	"errors"
	"slices"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
)

func TestNewerMonitorIsRecordedAsMissed(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Shards: 1})
	written := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		body string
		want []job.MissReason
	}{
		"an interval":          {`{"v":99,"interval":"1s","quantum":{}}`, []job.MissReason{job.MissNewer}},
		"one that is paused":   {`{"v":99,"interval":"1s","paused":true}`, []job.MissReason{job.MissPaused}},
		"cron":                 {`{"v":99,"cron":"* * * * *","time_zone":"UTC"}`, []job.MissReason{job.MissNewer}},
		"no schedule we know":  {`{"v":99,"whenever":true}`, nil},
		"a schedule otherwise": {`{"v":99,"interval":{"every":1}}`, nil},
		"a mistake, not newer": {`{"v":1,"interval":"1s","quantum":{}}`, nil},
	} {
		s, err := NewScheduler(SchedulerConfig{Pipeline: p})
		if err != nil {
			t.Fatal(err)
		}
		s.define(pipeline.Entry{Key: topology.MonitorKey("novel"), Value: []byte(c.body), Written: written})
		todo := s.table.due(0, written.Add(59*time.Second), written.Add(time.Minute))
		var got []job.MissReason
		for _, result := range todo.missed {
			got = append(got, result.Miss.Reason)
		}
		if !slices.Equal(got, c.want) || len(todo.checks) > 0 {
			t.Errorf("%s: got misses %v and checks %v, want misses %v", name, got, todo.checks, c.want)
		}
		s.define(pipeline.Entry{Key: topology.MonitorKey("novel"), Value: []byte(`{"v":1,"name":"novel","tcp":{"address":"a:1"},"interval":"1s"}`), Written: written})
		if todo := s.table.due(0, written.Add(59*time.Second), written.Add(time.Minute)); len(todo.checks) != 1 {
			t.Errorf("%s: got %+v after a definition that can be read, want its check", name, todo)
		}
	}
}

func TestApplyKeepsNewerDefinitions(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Monitors)
	if err != nil {
		t.Fatal(err)
	}
	put := func(key, body string) {
		t.Helper()
		if _, err := bucket.Put(t.Context(), key, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	mine := job.Monitor{V: 1, Name: "mine", Spec: job.Spec{TCP: &job.TCP{Address: "a:1"}}, Interval: job.Duration(time.Second)}
	want := Definitions{Monitors: []job.Monitor{mine}}
	for _, key := range []string{topology.MonitorKey("mine"), topology.MonitorKey("other"), topology.RecipientKey("ops"), topology.SettingsKey} {
		put(key, `{"v":99,"quantum":true}`)
		for _, dry := range []bool{true, false} {
			if _, err := Apply(t.Context(), p, want, ApplyOptions{Dry: dry}); !errors.Is(err, job.ErrNewer) {
				t.Errorf("%s, dry %v: got %v, want a refusal", key, dry, err)
			}
		}
		if found, err := bucket.Get(t.Context(), key); err != nil || string(found.Value) != `{"v":99,"quantum":true}` {
			t.Errorf("%s: got %s, %v, want it left alone", key, found.Value, err)
		}
		put(key, `{"v":1}`)
		if _, err := Apply(t.Context(), p, want, ApplyOptions{}); err != nil {
			t.Errorf("%s: got %v once it is of a version that is read, want it replaced", key, err)
		}
	}
}
