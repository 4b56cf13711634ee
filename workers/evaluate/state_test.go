package evaluate_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func website(failures, successes int) job.Monitor {
	return job.Monitor{
		V: 1, Name: "website", Spec: job.Spec{HTTP: &job.HTTP{URL: "https://example.org"}},
		Policy: job.Policy{FailureThreshold: failures, SuccessThreshold: successes, Notify: []string{"oncall"}},
	}
}

// result is that of the n-th slot, written as one letter: U up, D down, ? not
// known, M missed.
func result(n int, letter rune) job.Result {
	r := job.Result{Monitor: "website", Slot: start.Add(time.Duration(n) * time.Minute)}
	switch letter {
	case 'U':
		r.Outcome = &job.Outcome{Health: job.Up}
	case 'D':
		r.Outcome = &job.Outcome{Health: job.Down, Class: job.ClassConnect, Cause: "connect refused"}
	case '?':
		r.Outcome = &job.Outcome{Health: job.Unknown, Class: job.ClassInternal}
	default:
		r.Miss = &job.Miss{Reason: job.MissLate, Count: 1, Last: r.Slot}
	}
	return r
}

// letters of what Step answers: d and u for an event, w for a write, . for
// nothing.
func answer(c evaluate.Change) string {
	switch {
	case c.Event != nil:
		return string(c.Event.Kind[0])
	case c.Write:
		return "w"
	default:
		return "."
	}
}

func TestStep(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name                string
		failures, successes int
		results, want       string
	}{
		{"all is well: nothing is ever written", 3, 2, "UUUUU", "....."},
		{"three failures make it down, two successes up", 3, 2, "UDDDDDUU", ".wwd..wu"},
		{"a success between failures begins the row anew", 3, 2, "DDUDDD", "wwwwwd"},
		{"a failure between successes begins the row anew", 1, 2, "DUDUU", "dwwwu"},
		{"a threshold of 0 is 1", 0, 0, "DUD", "dud"},
		{"what is not known counts for neither", 2, 2, "D?D?U?U", "w.d.w.u"},
		{"what was missed counts for neither", 2, 1, "DMDMU", "w.d.u"},
		{"down from the first result on", 1, 1, "DDDU", "d..u"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var state job.State
			var got strings.Builder
			for i, letter := range c.results {
				change := evaluate.Step(state, result(i, letter), website(c.failures, c.successes))
				state = change.State
				got.WriteString(answer(change))
			}
			if got.String() != c.want {
				t.Errorf("%s: got %s, want %s", c.results, got.String(), c.want)
			}
		})
	}
}

func run(state job.State, m job.Monitor, letters string, from int) (job.State, []job.Event) {
	var events []job.Event
	for i, letter := range letters {
		change := evaluate.Step(state, result(from+i, letter), m)
		state = change.State
		if change.Event != nil {
			events = append(events, *change.Event)
		}
	}
	return state, events
}

func TestIncidentTellsWhatANotifierNeeds(t *testing.T) {
	t.Parallel()
	state, events := run(job.State{}, website(2, 1), "UUDDDU", 0)
	if len(events) != 2 {
		t.Fatalf("got %d events, want down and up", len(events))
	}
	down, up := events[0], events[1]
	incident := down.Incident
	if incident.ID != job.IncidentID("website", start.Add(2*time.Minute)) || !incident.Began.Equal(start.Add(2*time.Minute)) {
		t.Errorf("got %+v, want an incident that began with the first failure", incident)
	}
	if !incident.LastGood.Equal(start.Add(time.Minute)) || incident.Failures != 2 || incident.Outcome.Cause != "connect refused" ||
		incident.Target != "https://example.org" || len(incident.Notify) != 1 {
		t.Errorf("got %+v, want last good, failures, cause, target and recipients", incident)
	}
	if down.ID != incident.ID+"-down" || up.ID != incident.ID+"-up" || up.Outcome == nil || !up.At.Equal(start.Add(5*time.Minute)) {
		t.Errorf("got %+v and %+v, want one incident with two ends", down, up)
	}
	if state.Health != job.Up || state.Incident != nil || len(state.Events) != 2 || !state.Since.Equal(up.At) {
		t.Errorf("got %+v, want up, with both events", state)
	}
}

func TestRecipientsOfAnIncidentHearOfItsEndWhateverTheDefinitionSaysByThen(t *testing.T) {
	t.Parallel()
	state, _ := run(job.State{}, website(1, 1), "D", 0)
	changed := website(1, 1)
	changed.Notify = []string{"nobody"}
	_, events := run(state, changed, "U", 1)
	if len(events) != 1 || events[0].Incident.Notify[0] != "oncall" {
		t.Errorf("got %+v, want the recipients of the beginning", events)
	}
}

func TestStateRemembersItsLatestEventsOnly(t *testing.T) {
	t.Parallel()
	state, events := run(job.State{}, website(1, 1), strings.Repeat("DU", 20), 0)
	if len(events) != 40 || len(state.Events) != job.MaxEvents {
		t.Fatalf("got %d events, %d remembered, want 40 and %d", len(events), len(state.Events), job.MaxEvents)
	}
	if last := state.Events[job.MaxEvents-1]; last.ID != events[39].ID {
		t.Errorf("got %s at the end, want %s", last.ID, events[39].ID)
	}
}

func TestStepDoesNotChangeTheStateItWasGiven(t *testing.T) {
	t.Parallel()
	before, _ := run(job.State{}, website(1, 1), strings.Repeat("DU", 10), 0)
	first := before.Events[0].ID
	run(before, website(1, 1), "DUDU", 100)
	if before.Events[0].ID != first {
		t.Error("got events that changed under their owner, want a copy")
	}
}

func TestRemovalEndsTheIncidentOnce(t *testing.T) {
	t.Parallel()
	state, _ := run(job.State{}, website(1, 1), "D", 0)
	at := start.Add(time.Hour)
	change := evaluate.Remove(state, at)
	if change.Event == nil || change.Event.Kind != job.EventRemoved || !change.State.Removed || change.State.Incident != nil {
		t.Errorf("got %+v, want the incident ended by the removal", change)
	}
	if again := evaluate.Remove(change.State, at); again.Write || again.Event != nil {
		t.Errorf("got %+v, want nothing the second time", again)
	}
	// Defined again: it begins anew, and its old slots stay old.
	back, events := run(change.State, website(1, 1), "U", 200)
	if len(events) != 0 || back.Health != job.Up || back.Removed || !back.Since.Equal(start.Add(200*time.Minute)) {
		t.Errorf("got %+v with %d events, want up without an event", back, len(events))
	}
	_, events = run(change.State, website(1, 1), "D", 200)
	if len(events) != 1 || events[0].Kind != job.EventDown {
		t.Errorf("got %+v, want a new incident", events)
	}
}

// Whatever comes twice, late or again from the start: down and up take turns,
// no event has two shapes, and what is derived again is the same.
func TestAnyRedeliveryGivesTheSameEvents(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		m := website(1+random.IntN(3), 1+random.IntN(3))
		letters := make([]rune, 60)
		for i := range letters {
			letters[i] = rune("UUDD?M"[random.IntN(6)])
		}
		_, want := run(job.State{}, m, string(letters), 0)

		var state job.State
		var got []job.Event
		for i := 0; i < len(letters); {
			change := evaluate.Step(state, result(i, letters[i]), m)
			state = change.State
			if change.Event != nil {
				got = append(got, *change.Event)
			}
			i++
			if random.IntN(4) == 0 {
				i = max(0, i-random.IntN(10)) // a batch is delivered again
			}
		}
		if len(got) != len(want) {
			t.Fatalf("seed %d: got %d events of %s, want %d", seed, len(got), string(letters), len(want))
		}
		for i := range got {
			if got[i].ID != want[i].ID {
				t.Fatalf("seed %d: got event %s, want %s", seed, got[i].ID, want[i].ID)
			}
			if isDown := got[i].Kind == job.EventDown; isDown != (i%2 == 0) {
				t.Fatalf("seed %d: got %s at place %d, want down and up in turn", seed, got[i].Kind, i)
			}
		}
	}
}
