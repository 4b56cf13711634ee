package evaluate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

// store is a compare-and-swap store that keeps every state ever written.
type store struct {
	mu       sync.Mutex
	states   map[string]job.State
	revision map[string]uint64
	writes   []job.State
	err      error
}

func newStore() *store {
	return &store{states: map[string]job.State{}, revision: map[string]uint64{}}
}

func (s *store) Get(_ context.Context, name string) (job.State, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states[name], s.revision[name], s.err
}

func (s *store) Update(_ context.Context, state job.State, revision uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if s.revision[state.Monitor] != revision {
		return 0, job.ErrConflict
	}
	s.revision[state.Monitor]++
	s.states[state.Monitor] = state
	s.writes = append(s.writes, state)
	return s.revision[state.Monitor], nil
}

func newEvaluator(tb testing.TB, s *store) *evaluate.Evaluator {
	tb.Helper()
	e, err := evaluate.New(evaluate.Config{Store: s, Now: func() time.Time { return start.Add(time.Hour) }})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func define(e *evaluate.Evaluator, m evaluate.Monitor) {
	if err := e.Define(m.Monitor, m.Period); err != nil {
		panic(err) // no test has such a definition
	}
}

func observe(t *testing.T, e *evaluate.Evaluator, state job.State, revision uint64) {
	t.Helper()
	if err := e.Observe(t.Context(), state, revision); err != nil {
		t.Fatalf("observe: %v", err)
	}
}

func handle(t *testing.T, e *evaluate.Evaluator, letters string, from int) {
	t.Helper()
	var batch job.Results
	for i, letter := range letters {
		batch.Results = append(batch.Results, result(from+i, letter))
	}
	if err := e.Handle(t.Context(), batch); err != nil {
		t.Fatalf("handle: %v", err)
	}
}

func TestHealthyMonitorsAreNeverWritten(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	define(e, website(1, 1))
	handle(t, e, "UUUUU", 0)
	if len(s.writes) != 0 {
		t.Errorf("got %d writes, want none", len(s.writes))
	}
	handle(t, e, "D", 5)
	if len(s.writes) != 1 || !s.writes[0].Incident.LastUp.Equal(start.Add(4*time.Minute)) {
		t.Errorf("got %+v, want one write with the last slot up", s.writes)
	}
	handle(t, e, "D", 2) // late: before the last slot up
	if len(s.writes) != 1 {
		t.Errorf("got %d writes, want the late failure ignored", len(s.writes))
	}
}

func TestPlainStateIsReadAgainWhenItMatters(t *testing.T) {
	t.Parallel()
	s := newStore()
	first, second := newEvaluator(t, s), newEvaluator(t, s)
	define(first, website(1, 1))
	define(second, website(1, 1))
	handle(t, first, "DU", 0)
	observe(t, second, s.states["website"], s.revision["website"])
	for n, e := range []*evaluate.Evaluator{first, second} { // the writer, and an observer
		before := len(s.writes)
		handle(t, e, "D", 0) // again
		if len(s.writes) != before {
			t.Errorf("got %+v, want the earlier failure ignored", s.writes[before:])
		}
		handle(t, e, "UDU", 2+3*n)
		if got := s.states["website"]; got.Sequence != 4+2*n || len(got.Events) != 4+2*n || len(got.Transitions) != 3+2*n {
			t.Errorf("got %+v, want it to continue from the stored state", got)
		}
	}
	if err := second.Undefine(t.Context(), "website"); err != nil || !s.states["website"].Removed {
		t.Errorf("got %+v and %v, want it removed", s.states["website"], err)
	}
}

func TestLateFailureOfAHealthyMonitorIsIgnored(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	define(e, website(1, 1))
	handle(t, e, "U", 10)
	handle(t, e, "D", 9)
	if len(s.writes) != 0 {
		t.Errorf("got %+v, want nothing", s.writes)
	}
}

func TestLateSuccessEndsNoIncident(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	define(e, website(1, 1))
	handle(t, e, "DDD", 0)
	handle(t, e, "U", 1) // in a slot between failures
	if got := s.states["website"]; got.Health != job.Down || len(s.writes) != 1 {
		t.Errorf("got %+v after %d writes, want down", got, len(s.writes))
	}
}

func TestLastSlotUpIsCorrectOrUnknown(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	define(e, website(1, 1))
	handle(t, e, "UDUUUUD", 0)
	if got := s.states["website"].Incident.LastUp; !got.Equal(start.Add(5 * time.Minute)) {
		t.Errorf("got %s, want the slot before the second failure", got)
	}
	handle(t, e, "UUUU", 7)
	restarted := newEvaluator(t, s)
	define(restarted, website(1, 1))
	observe(t, restarted, s.states["website"], s.revision["website"])
	handle(t, restarted, "D", 11)
	if got := s.states["website"].Incident.LastUp; !got.IsZero() {
		t.Errorf("got %s, want none: the stored one is not the last", got)
	}
}

func TestResultsOfAnUndefinedMonitorAreIgnored(t *testing.T) {
	t.Parallel()
	s := newStore()
	handle(t, newEvaluator(t, s), "DDDD", 0)
	if len(s.writes) != 0 {
		t.Errorf("got %+v, want nothing", s.writes)
	}
}

func TestRestartContinuesFromTheStore(t *testing.T) {
	t.Parallel()
	s := newStore()
	first := newEvaluator(t, s)
	define(first, website(3, 1))
	handle(t, first, "DD", 0)
	second := newEvaluator(t, s)
	define(second, website(3, 1))
	observe(t, second, s.states["website"], s.revision["website"])
	handle(t, second, "DD", 1) // the second failure again, then the third
	if got := s.states["website"]; got.Health != job.Down || !got.Incident.Began.Equal(start) {
		t.Errorf("got %+v, want down since the first failure", got)
	}
}

func TestRemovedMonitorEndsItsIncidentNowOrAtTheNextStart(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	define(e, website(1, 1))
	handle(t, e, "D", 0)
	stored := s.states["website"]
	if err := e.Undefine(t.Context(), "website"); err != nil {
		t.Fatal(err)
	}
	if got := s.states["website"]; !got.Removed || len(got.Events) != 2 {
		t.Errorf("got %+v, want the incident ended", got)
	}

	s = newStore()
	s.states["website"], s.revision["website"] = stored, 1
	e = newEvaluator(t, s)
	observe(t, e, stored, 1)
	if err := e.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.states["website"]; !got.Removed {
		t.Errorf("got %+v, want the incident ended by reconciliation", got)
	}
}

func TestBatchCanBeRepeatedAfterAStoreError(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	define(e, website(1, 1))
	s.err = errors.New("away")
	batch := job.Results{Results: []job.Result{result(0, 'D')}}
	if err := e.Handle(t.Context(), batch); !errors.Is(err, s.err) {
		t.Fatalf("got %v, want the store's error", err)
	}
	s.err = nil
	if err := e.Handle(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if len(s.writes) != 1 || s.writes[0].Health != job.Down {
		t.Errorf("got %+v, want down", s.writes)
	}
}

// Many evaluators handle all results: the store gets each event once, in turn.
func TestManyEvaluatorsWriteEachEventOnce(t *testing.T) {
	t.Parallel()
	const letters = "UDDDUUDDDDUUUDDUUDDDUU"
	s := newStore()
	var group sync.WaitGroup
	for range 8 {
		e := newEvaluator(t, s)
		define(e, website(2, 2))
		group.Go(func() {
			for i, letter := range letters {
				if err := e.Handle(t.Context(), job.Results{Results: []job.Result{result(i, letter)}}); err != nil {
					t.Errorf("handle: %v", err)
				}
			}
		})
	}
	group.Wait()
	seen := map[string]bool{}
	kind := job.EventEnded
	for _, state := range s.writes {
		for _, event := range state.Events {
			if seen[event.ID] {
				continue
			}
			seen[event.ID] = true
			if event.Kind == kind {
				t.Fatalf("got %s twice in a row", kind)
			}
			kind = event.Kind
		}
	}
	if len(seen) == 0 {
		t.Error("got no events, want some")
	}
}

func TestEvaluatorWithoutAStoreIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := evaluate.New(evaluate.Config{}); err == nil {
		t.Error("got nil, want an error")
	}
}

func BenchmarkHealthyResults(b *testing.B) {
	const monitors = 100_000
	e := newEvaluator(b, newStore())
	batch := job.Results{Results: make([]job.Result, 100)}
	names := make([]string, monitors)
	for i := range names {
		names[i] = fmt.Sprintf("monitor-%d", i)
		define(e, evaluate.Monitor{Monitor: job.Monitor{Name: names[i]}, Period: time.Minute})
		if i%2 == 0 { // these were down once
			_ = e.Observe(b.Context(), job.State{Monitor: names[i], Health: job.Up, Slot: start.Add(-time.Hour)}, 1)
		}
	}
	up := &job.ProbeResult{Health: job.Up}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range batch.Results {
			batch.Results[i] = job.Result{Monitor: names[n%monitors], Slot: start, ProbeResult: up}
			n++
		}
		if err := e.Handle(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/result")
}

// A success that was skipped before the other evaluator's failures were observed
// counts when they are.
func TestSkippedSuccessCountsWhenAnEarlierFailureIsObserved(t *testing.T) {
	t.Parallel()
	s := newStore()
	first, second := newEvaluator(t, s), newEvaluator(t, s)
	define(first, website(2, 1))
	define(second, website(2, 1))
	handle(t, first, "D", 0)
	handle(t, second, "U", 1) // has not observed the failure, and skips it
	observe(t, second, s.states["website"], s.revision["website"])
	handle(t, first, "D", 2)
	if got := s.states["website"]; got.Health == job.Down || got.Failures != 1 {
		t.Errorf("got %+v, want the count restarted after the success", got)
	}
}

// A monitor without a success has no last slot up. When its state is read after a
// restart, that must not be evaluated as a success in 1970.
func TestMonitorWithoutDataSinceItsFirstSlotStaysWithoutDataAfterARestart(t *testing.T) {
	t.Parallel()
	missed := job.Results{Results: []job.Result{{Monitor: "website", Slot: start, Miss: &job.Miss{Reason: job.MissOverlap, Count: 3, Last: start.Add(2 * time.Minute)}}}}
	for name, locations := range map[string][]string{"one location": nil, "several locations": {"fra", "nyc"}} {
		s := newStore()
		first, second := newEvaluator(t, s), newEvaluator(t, s)
		m := website(1, 1)
		m.Locations = locations
		define(first, m)
		define(second, m)
		for _, location := range m.CheckLocations() {
			missed.Results[0].Location = location
			if err := first.Handle(t.Context(), missed); err != nil {
				t.Fatal(err)
			}
		}
		before := s.states["website"]
		observe(t, second, before, s.revision["website"])
		after := s.states["website"]
		if len(before.Open()) == 0 || len(after.Open()) != len(before.Open()) || len(after.Events) != len(before.Events) {
			t.Errorf("%s: got %d open incidents and the events %+v, want the same %d incidents and no new event", name, len(after.Open()), after.Events, len(before.Open()))
		}
	}
}

// rechecker records calls.
type rechecker struct{ at []time.Time }

func (r *rechecker) Recheck(_ context.Context, _, _ string, at time.Time) error {
	r.at = append(r.at, at)
	return nil
}

func TestRecheckIsScheduledOnceTheStateIsStored(t *testing.T) {
	t.Parallel()
	s, r := newStore(), &rechecker{}
	e, err := evaluate.New(evaluate.Config{Store: s, Rechecker: r})
	if err != nil {
		t.Fatal(err)
	}
	m := website(3, 1)
	m.RetryInterval = job.Duration(5 * time.Second)
	define(e, m)
	handle(t, e, "UDD", 0)
	handle(t, e, "DD", 1) // again
	if len(r.at) != 2 || !r.at[0].Equal(start.Add(time.Minute+5*time.Second)) {
		t.Errorf("got rechecks at %v, want two, each 5s after its failure", r.at)
	}
}

func TestCertificateOfAHealthyMonitorIsAlerted(t *testing.T) {
	t.Parallel()
	s := newStore()
	e := newEvaluator(t, s)
	define(e, website(1, 1))
	batch := job.Results{}
	for i := range 3 {
		r := result(i, 'U')
		r.ProbeResult.CertificateExpires = start.Add(100 * time.Hour)
		batch.Results = append(batch.Results, r)
	}
	if err := e.Handle(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if len(s.writes) != 1 || len(s.writes[0].Events) != 1 || s.writes[0].Events[0].Kind != job.EventBegan {
		t.Errorf("got %+v, want one write with one event", s.writes)
	}
}
