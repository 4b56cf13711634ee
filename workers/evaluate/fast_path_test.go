package evaluate_test

import (
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

// shed is a minute's slot that was shed.
func shed(minute int) job.Result {
	slot := start.Add(time.Duration(minute) * time.Minute)
	return job.Result{Monitor: website(1, 1).Name, Slot: slot, Miss: &job.Miss{Reason: job.MissShed, Count: 1, Last: slot}}
}

func handleAll(t *testing.T, e *evaluate.Evaluator, results ...job.Result) {
	t.Helper()
	if err := e.Handle(t.Context(), job.Results{Results: results}); err != nil {
		t.Fatalf("handle: %v", err)
	}
}

func TestEverySecondSlotShedIsNotWritten(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	define(e, website(1, 1))
	for minute := range 10 {
		handleAll(t, e, result(2*minute, 'U'), shed(2*minute+1))
	}
	if len(s.writes) != 0 {
		t.Errorf("got %+v, want nothing", s.writes)
	}
}

func TestThreeShedSlotsAreMissingData(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	define(e, website(1, 1))
	handleAll(t, e, result(0, 'U'), shed(1), shed(2))
	if n := len(s.writes); n > 0 && s.writes[n-1].NoData != nil {
		t.Errorf("got %+v after two, want no incident", s.writes[n-1])
	}
	handleAll(t, e, shed(3))
	n := len(s.writes)
	if n == 0 || s.writes[n-1].NoData == nil || s.writes[n-1].NoData.Reason != "shed" || !s.writes[n-1].NoData.Began.Equal(start.Add(time.Minute)) {
		t.Fatalf("got %+v after three, want no data since the first", s.writes)
	}
	handleAll(t, e, result(4, 'U'), shed(5))
	if last := s.writes[len(s.writes)-1]; last.NoData != nil || last.MissedSlots != 0 {
		t.Errorf("got %+v after a result, want data again", last)
	}
}
