package workers

import (
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/process"
)

func TestNoProcessIsSilentWhileNoLeaseCanBeStored(t *testing.T) {
	t.Parallel()
	w := &processWatch{leases: map[string]lease{}}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	pass := func(d time.Duration, renewing ...string) {
		for range int(d / time.Second) {
			now = now.Add(time.Second)
			for _, key := range renewing {
				w.observe(pipeline.Entry{Key: key}, now)
			}
		}
	}
	pass(5*time.Second, "own", "other")
	pass(time.Minute)
	if silent := w.overdue(now); len(silent) != 0 {
		t.Errorf("got %v while no lease was renewed, want none", silent)
	}
	pass(time.Second, "own")
	if silent := w.overdue(now); len(silent) != 0 {
		t.Errorf("got %v right after the first renewal, want none", silent)
	}
	pass(process.LeaseTime+time.Second, "own")
	if silent := w.overdue(now); len(silent) != 1 || silent[0].Key != "other" {
		t.Errorf("got %v, want the other process, which was not renewed since", silent)
	}
}
