package workers

import (
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/stranded"
	"vedette/workers/notify"
)

func TestMissOfALateCheckSaysWhatHappenedToIt(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	killed := stranded.Reclaimed{Gone: []job.Process{{Name: "host-17"}}, Before: start}
	for name, c := range map[string]struct {
		lost        stranded.Reclaimed
		stored      time.Time
		redelivered bool
		want        string
	}{
		"waited for a worker":            {stranded.Reclaimed{Before: start}, start.Add(-time.Second), false, "its checks wait too long for a worker"},
		"held by a killed process":       {killed, start.Add(-time.Second), false, "its check was lost (when process host-17 was killed)"},
		"stored after the kill":          {killed, start.Add(time.Second), false, "its checks wait too long for a worker"},
		"held by another process before": {killed, start.Add(time.Second), true, "its check was lost (its worker was killed, stopped or cut off)"},
	} {
		stage := checkStage{lost: c.lost}
		miss := stage.expiredMiss(pipeline.Delivery{Stored: c.stored, Redelivered: c.redelivered}, start)
		if got := notify.MissText(miss.Reason, miss.Detail); got != c.want || miss.Count != 1 || !miss.Last.Equal(start) {
			t.Errorf("%s: got %q in %+v, want %q", name, got, miss, c.want)
		}
	}
}
