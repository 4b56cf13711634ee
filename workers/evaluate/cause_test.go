package evaluate_test

import (
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

// A monitor that is down is written when its cause changes, but not for each cause
// with another number in it.
func TestLatestFailureIsWrittenWhenTheCauseChanges(t *testing.T) {
	t.Parallel()
	m := website(1, 1)
	m.Period = 10 * time.Second
	var state job.State
	for _, c := range []struct {
		after time.Duration
		cause string // empty: up
		class job.Class
		write bool
		want  string // the latest failure's cause
	}{
		{0, "status 503", job.ClassStatus, true, ""},
		{10 * time.Second, "status 503", job.ClassStatus, false, ""},
		{20 * time.Second, "connect refused", job.ClassConnect, true, "connect refused"},
		{30 * time.Second, "connect refused", job.ClassConnect, false, "connect refused"},
		{40 * time.Second, "read port 40001", job.ClassTimeout, false, "connect refused"},
		{90 * time.Second, "read port 40002", job.ClassTimeout, true, "read port 40002"},
		{100 * time.Second, "status 503", job.ClassStatus, false, "read port 40002"},
		{160 * time.Second, "status 503", job.ClassStatus, true, "status 503"},
		{170 * time.Second, "", "", true, ""},
		{180 * time.Second, "status 500", job.ClassStatus, true, ""},
	} {
		result := job.Result{Monitor: "website", Slot: start.Add(c.after), ProbeResult: &job.ProbeResult{Health: job.Down, Class: c.class, Cause: c.cause}}
		if c.cause == "" {
			result.ProbeResult.Health = job.Up
		}
		change := evaluate.Step(state, result, m)
		state = change.State
		got := ""
		if state.LatestFailure != nil {
			got = state.LatestFailure.ProbeResult.Cause
		}
		if change.Write != c.write || got != c.want {
			t.Errorf("after %s: got written %t and latest failure %q, want %t and %q", c.after, change.Write, got, c.write, c.want)
		}
	}
}

func TestMonitorThatIsPutBackHasANewIncident(t *testing.T) {
	t.Parallel()
	m := website(1, 1)
	state := evaluate.Step(job.State{}, result(0, 'U'), m).State
	state.Health, state.V, state.Monitor = job.Up, 1, "website"
	state.Slot = start
	ids := map[string]bool{}
	for n := range 3 {
		for slot := range 4 {
			state = evaluate.Step(state, result(1+4*n+slot, 'M'), m).State
		}
		state = evaluate.Step(state, result(5+4*n, '?'), m).State
		if state.NoData == nil || ids[state.NoData.ID] {
			t.Fatalf("got %+v, want missing data with another id each time", state.NoData)
		}
		ids[state.NoData.ID] = true
		state = evaluate.Remove(state, start.Add(time.Hour)).State
	}
}
