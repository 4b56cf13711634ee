package workers

import (
	"log/slog"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
)

func TestStageWithoutAProcessIsReportedOnce(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "host-1"})
	w := &stageWatch{shared: &shared{p: p, log: slog.New(slog.DiscardHandler)}, missing: map[string]time.Time{}}
	put(t, p, topology.Processes, "p1", job.Process{V: 1, ID: "p1", Stages: Stages()})
	now := time.Now()
	for _, after := range []time.Duration{0, stageGoneAfter / 2, stageGoneAfter, stageGoneAfter + time.Second} {
		if err := w.check(t.Context(), now.Add(after)); err != nil {
			t.Fatal(err)
		}
	}
	found := notices(t, p)
	if len(found) != 1 || found[0].Kind != job.NoticeStageGone || found[0].Summary != "no process runs the stage schedule" {
		t.Errorf("got %+v, want one notice, for the scheduler", found)
	}
}
