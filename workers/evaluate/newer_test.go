package evaluate_test

import (
	"errors"
	"testing"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

// failures is a batch with failures of the website and of another monitor.
func failures(slot int) job.Results {
	other := result(slot, 'D')
	other.Monitor = "other"
	return job.Results{Results: []job.Result{result(slot, 'D'), other}}
}

func TestResultsForNewerVersionsAreLeftToNewerEvaluators(t *testing.T) {
	t.Parallel()
	website, other := website(1, 1), website(1, 1)
	other.Name = "other"
	for name, c := range map[string]struct {
		happens func(e *evaluate.Evaluator)
		ends    func(e *evaluate.Evaluator)
	}{
		"a definition": {
			func(e *evaluate.Evaluator) { e.DefineNewer("website") },
			func(e *evaluate.Evaluator) { define(e, website) },
		},
		"a state": {
			func(e *evaluate.Evaluator) { e.ObserveNewer("website") },
			func(e *evaluate.Evaluator) { observe(t, e, job.State{Monitor: "website", Health: job.Up}, 1) },
		},
	} {
		s := newStore()
		e := newEvaluator(t, s)
		define(e, website)
		define(e, other)
		c.happens(e)
		if err := e.Handle(t.Context(), failures(1)); !errors.Is(err, job.ErrNewer) {
			t.Errorf("%s: got %v, want the batch left to a newer evaluator", name, err)
		}
		if len(s.writes) != 1 || s.writes[0].Monitor != "other" {
			t.Errorf("%s: got %+v written, want only the other monitor evaluated", name, s.writes)
		}
		if err := e.Reconcile(t.Context()); err != nil || len(s.writes) != 1 {
			t.Errorf("%s: got %v and %+v written, want nothing removed", name, err, s.writes)
		}
		c.ends(e)
		if err := e.Supports("website"); err != nil {
			t.Errorf("%s: got %v afterwards, want it evaluated again", name, err)
		}
	}
}

func TestMonitorWithANewerDefinitionIsNotRemoved(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	observe(t, e, job.State{Monitor: "website", Health: job.Down, Incident: &job.Incident{ID: "i"}}, 1)
	e.DefineNewer("website")
	if err := e.Reconcile(t.Context()); err != nil || len(s.writes) != 0 {
		t.Errorf("got %v and %+v written, want its incident left open", err, s.writes)
	}
	if err := e.Undefine(t.Context(), "website"); err != nil {
		t.Fatal(err)
	}
	if err := e.Supports("website"); err != nil {
		t.Errorf("got %v after the removal, want no newer version", err)
	}
}
