package evaluate_test

import (
	"fmt"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

// healthsOf returns what a store wrote, in short.
func healthsOf(s *store) string {
	text := ""
	for i := range s.writes {
		text += fmt.Sprintf("%s %d failures;", s.writes[i].Health, s.writes[i].Failures)
	}
	return text
}

// setBackEvaluator has a horizon that the test moves, in minutes after the start.
func setBackEvaluator(t *testing.T, s *store, minute *int) *evaluate.Evaluator {
	t.Helper()
	e, err := evaluate.New(evaluate.Config{Store: s, Horizon: func() time.Time { return start.Add(time.Duration(*minute) * time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestResultsCountAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]evaluate.Monitor{"one location": website(1, 1), "two locations": twoLocations()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := func(minute int, letter rune) []job.Result {
				var all []job.Result
				for _, location := range m.CheckLocations() {
					r := result(minute, letter)
					if m.MultiLocation() {
						r.Location = location
					}
					all = append(all, r)
				}
				return all
			}
			now, s := 60, newStore()
			e := setBackEvaluator(t, s, &now)
			define(e, m)
			handleAll(t, e, at(58, 'U')...)
			handleAll(t, e, at(59, 'D')...)
			handleAll(t, e, at(60, 'U')...)
			if got := s.states["website"]; got.Health != job.Up || !got.Slot.Equal(start.Add(60*time.Minute)) {
				t.Fatalf("got %+v, want it up again", got)
			}
			handleAll(t, e, at(1, 'D')...) // late
			if got := s.states["website"]; got.Health != job.Up {
				t.Fatalf("got %+v, want a late result to change nothing", got)
			}
			now = 2
			handleAll(t, e, at(2, 'D')...)
			if got := s.states["website"]; got.Health != job.Down || got.Incident == nil || !got.Incident.Began.Equal(start.Add(2*time.Minute)) {
				t.Fatalf("got %+v, want it down after the clock was set back; %s", got, healthsOf(s))
			}
			now = 3
			handleAll(t, e, at(3, 'U')...)
			if got := s.states["website"]; got.Health != job.Up || !got.Slot.Equal(start.Add(3*time.Minute)) {
				t.Errorf("got %+v, want it up again", got)
			}
			if got := s.states["website"].Sequence; got != 4 {
				t.Errorf("got %d events, want two incidents with their ends", got)
			}
		})
	}
}

func twoLocations() evaluate.Monitor {
	m := website(1, 1)
	m.Locations = []string{"fra", "sin"}
	return m
}

// An incident that was open when the clock was set back ends, and keeps its id.
func TestAnIncidentFromTheFutureEnds(t *testing.T) {
	t.Parallel()
	now, s := 60, newStore()
	e := setBackEvaluator(t, s, &now)
	define(e, website(1, 1))
	handleAll(t, e, result(58, 'U'), result(59, 'D'))
	id := s.states["website"].Incident.ID
	now = 0
	handleAll(t, e, result(0, 'U'))
	got := s.states["website"]
	last := got.Events[len(got.Events)-1]
	if got.Health != job.Up || got.Incident != nil || last.Kind != job.EventEnded || last.Incident.ID != id {
		t.Fatalf("got %+v, want the incident %s ended", got, id)
	}
	if last.Incident.Began.After(last.At) {
		t.Errorf("got an incident from %s to %s, want no end before its beginning", last.Incident.Began, last.At)
	}
}

// An evaluator takes over the state that another one wrote before the step.
func TestAStateFromTheFutureIsTakenOver(t *testing.T) {
	t.Parallel()
	now, s := 60, newStore()
	first := setBackEvaluator(t, s, &now)
	define(first, website(1, 1))
	handleAll(t, first, result(58, 'D'), result(59, 'U'))
	now = 1
	second := setBackEvaluator(t, s, &now)
	define(second, website(1, 1))
	if err := second.Observe(t.Context(), s.states["website"], s.revision["website"]); err != nil {
		t.Fatal(err)
	}
	handleAll(t, second, result(1, 'D'))
	if got := s.states["website"]; got.Health != job.Down {
		t.Errorf("got %+v, want it down", got)
	}
	// The first one still remembers a success at minute 59, which is no later one.
	if err := first.Observe(t.Context(), s.states["website"], s.revision["website"]); err != nil {
		t.Fatal(err)
	}
	if got := s.states["website"]; got.Health != job.Down {
		t.Errorf("got %+v, want it still down", got)
	}
}
