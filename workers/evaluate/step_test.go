package evaluate_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// website is a monitor that never flaps.
func website(failures, successes int) evaluate.Monitor {
	return evaluate.Monitor{Period: time.Minute, Monitor: job.Monitor{
		V: 1, Name: "website", Spec: job.Spec{HTTP: &job.HTTP{URL: "https://example.org"}},
		Policy: job.Policy{
			FailureThreshold: failures, SuccessThreshold: successes, Flapping: &job.Flapping{}, Notify: []string{"oncall"},
		},
	}}
}

// result is the result for the n-th slot, in one character: U up, D down, W
// degraded, ? unknown, P paused, A away, M missed.
func result(n int, letter rune) job.Result {
	r := job.Result{Monitor: "website", Slot: start.Add(time.Duration(n) * time.Minute)}
	switch letter {
	case 'U':
		r.ProbeResult = &job.ProbeResult{Health: job.Up}
	case 'W':
		r.ProbeResult = &job.ProbeResult{Health: job.Degraded, Cause: "slow"}
	case 'P':
		r.Miss = &job.Miss{Reason: job.MissPaused, Count: 1, Last: r.Slot}
	case 'D':
		r.ProbeResult = &job.ProbeResult{Health: job.Down, Class: job.ClassConnect, Cause: "connect refused"}
	case '?':
		r.ProbeResult = &job.ProbeResult{Health: job.Unknown, Class: job.ClassInternal, Cause: "no reference target answered"}
	case 'A':
		r.Miss = &job.Miss{Reason: job.MissNoProcess, Count: 1, Last: r.Slot}
	default:
		r.Miss = &job.Miss{Reason: job.MissLate, Count: 1, Last: r.Slot}
	}
	return r
}

// eventText is an event's condition and kind: "down began".
func eventText(e *job.Event) string { return string(e.Incident.Condition) + " " + string(e.Kind) }

// answer is a change in one character: its first event, w for a write, . for
// nothing.
func answer(c evaluate.Change) string {
	switch {
	case len(c.Events) > 0:
		return map[string]string{
			"down began": "d", "down ended": "u", "degraded began": "g", "degraded ended": "o", "no_data began": "n", "no_data ended": "a",
		}[eventText(&c.Events[0])]
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
		{"successes are never written", 3, 2, "UUUUU", "....."},
		{"three failures make it down, two successes up", 3, 2, "UDDDDDUU", ".wwd..wu"},
		{"a success between failures restarts the count", 3, 2, "DDUDDD", "wwwwwd"},
		{"a failure between successes restarts the count", 1, 2, "DUDUU", "dwwwu"},
		{"a threshold of 0 is 1", 0, 0, "DUD", "dud"},
		{"unknown results count for neither", 2, 2, "D?D?U?U", "wwdwwwu"},
		{"missed slots count for neither", 2, 1, "DMDMU", "wwdwu"},
		{"three misses are no data, until there is a result", 2, 1, "UMMMMMUUM", ".wwn..a.w"},
		{"no data is not down", 1, 1, "DMMMU", "dwwna"},
		{"a paused monitor has data", 1, 1, "UPPPPU", "......"},
		{"a monitor that is never checked has no data", 1, 1, "MMM", "wwn"},
		{"slots while Vedette was away are not missing data", 1, 1, "UAAAAAU", ".wwwww."},
		{"and count for neither", 2, 1, "DAADAAU", "wwwdwwu"},
		{"three misses after the absence are no data", 1, 1, "UAAAAAMMMU", ".wwwwwwwna"},
		{"misses before the absence count", 1, 1, "UMAAAMMU", ".wwwwwna"},
		{"degraded is up, and an incident of its own", 2, 2, "WWWUU", "wg.wo"},
		{"a degraded result ends down", 1, 1, "DW", "du"},
		{"down replaces degraded", 1, 1, "WDU", "gdu"},
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

func run(state job.State, m evaluate.Monitor, letters string, from int) (job.State, []job.Event) {
	var events []job.Event
	for i, letter := range letters {
		change := evaluate.Step(state, result(from+i, letter), m)
		state = change.State
		events = append(events, change.Events...)
	}
	return state, events
}

func TestIncidentHasWhatTheNotifierNeeds(t *testing.T) {
	t.Parallel()
	state, events := run(job.State{}, website(2, 1), "UUDDDU", 0)
	if len(events) != 2 {
		t.Fatalf("got %d events, want down and up", len(events))
	}
	down, up := events[0], events[1]
	incident := down.Incident
	if incident.ID != job.IncidentID("website", job.ConditionDown, start.Add(2*time.Minute)) || !incident.Began.Equal(start.Add(2*time.Minute)) {
		t.Errorf("got %+v, want an incident that began with the first failure", incident)
	}
	if !incident.LastUp.Equal(start.Add(time.Minute)) || incident.Failures != 2 || incident.ProbeResult.Cause != "connect refused" ||
		incident.Target != "https://example.org" || len(incident.Notify) != 1 {
		t.Errorf("got %+v, want last slot up, failures, cause, target and recipients", incident)
	}
	if down.ID != incident.ID+"-began" || up.ID != incident.ID+"-ended" || up.ProbeResult == nil || !up.At.Equal(start.Add(5*time.Minute)) {
		t.Errorf("got %+v and %+v, want the beginning and the end of one incident", down, up)
	}
	if state.Health != job.Up || state.Incident != nil || len(state.Events) != 2 || !state.Since.Equal(up.At) {
		t.Errorf("got %+v, want up, with both events", state)
	}
}

func TestEndOfAnIncidentKeepsItsRecipients(t *testing.T) {
	t.Parallel()
	state, _ := run(job.State{}, website(1, 1), "D", 0)
	changed := website(1, 1)
	changed.Notify = []string{"nobody"}
	_, events := run(state, changed, "U", 1)
	if len(events) != 1 || events[0].Incident.Notify[0] != "oncall" {
		t.Errorf("got %+v, want the recipients from the beginning", events)
	}
}

func TestStateKeepsItsLatestEvents(t *testing.T) {
	t.Parallel()
	state, events := run(job.State{}, website(1, 1), strings.Repeat("DU", 20), 0)
	if len(events) != 40 || len(state.Events) != job.MaxEvents {
		t.Fatalf("got %d events, %d remembered, want 40 and %d", len(events), len(state.Events), job.MaxEvents)
	}
	if last := state.Events[job.MaxEvents-1]; last.ID != events[39].ID {
		t.Errorf("got %s at the end, want %s", last.ID, events[39].ID)
	}
}

func TestStepDoesNotChangeItsArgument(t *testing.T) {
	t.Parallel()
	before, _ := run(job.State{}, website(1, 1), strings.Repeat("DU", 10), 0)
	first := before.Events[0].ID
	run(before, website(1, 1), "DUDU", 100)
	if before.Events[0].ID != first {
		t.Error("got the argument's events changed, want a copy")
	}
}

func TestRemovalEndsTheIncidentOnce(t *testing.T) {
	t.Parallel()
	state, _ := run(job.State{}, website(1, 1), "D", 0)
	at := start.Add(time.Hour)
	change := evaluate.Remove(state, at)
	if len(change.Events) != 1 || change.Events[0].Kind != job.EventRemoved || !change.State.Removed || change.State.Incident != nil {
		t.Errorf("got %+v, want the incident ended by the removal", change)
	}
	if again := evaluate.Remove(change.State, at); again.Write || len(again.Events) > 0 {
		t.Errorf("got %+v, want nothing the second time", again)
	}
	// Defined again: it has a new state, and its old slots stay evaluated.
	back, events := run(change.State, website(1, 1), "U", 200)
	if len(events) != 0 || back.Health != job.Up || back.Removed || !back.Since.Equal(start.Add(200*time.Minute)) {
		t.Errorf("got %+v with %d events, want up without an event", back, len(events))
	}
	_, events = run(change.State, website(1, 1), "D", 200)
	if len(events) != 1 || events[0].Kind != job.EventBegan {
		t.Errorf("got %+v, want a new incident", events)
	}
}

// Results that come twice, late, or again from the start give the same events, and
// each condition begins and ends in turn.
func TestRedeliveryGivesTheSameEvents(t *testing.T) {
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
			got = append(got, change.Events...)
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
		}
		inTurn(t, seed, got)
	}
}

// inTurn checks that each condition begins and ends in turn.
func inTurn(t *testing.T, seed uint64, events []job.Event) {
	t.Helper()
	open := map[job.Condition]string{}
	for i, e := range events {
		condition := e.Incident.Condition
		switch {
		case e.Sequence != i+1:
			t.Fatalf("seed %d: got number %d at place %d", seed, e.Sequence, i)
		case e.Kind == job.EventBegan && open[condition] != "":
			t.Fatalf("seed %d: got %s while it is open already", seed, e.Kind)
		case e.Kind == job.EventBegan:
			open[condition] = e.Incident.ID
		case open[condition] != e.Incident.ID:
			t.Fatalf("seed %d: got %s for %s, want it for %s", seed, e.Kind, e.Incident.ID, open[condition])
		default:
			open[condition] = ""
		}
		if condition == job.ConditionDown && e.Kind == job.EventBegan {
			open[job.ConditionDegraded] = "" // which ends without an event
		}
	}
}

func TestFailuresInTheWindowMakeDown(t *testing.T) {
	t.Parallel()
	m := website(3, 2)
	m.FailureWindow = 5
	for letters, want := range map[string]string{
		"UDUDUD":   ".wwwwd", // three of the last five
		"DUUUUD":   "wwwwww", // the first has left the window
		"DUUUUUU":  "wwwwww.",
		"DDDUDUU":  "wwdwwwu",
		"DUDUUUDU": "wwwwwwww",
	} {
		var state job.State
		var got strings.Builder
		for i, letter := range letters {
			change := evaluate.Step(state, result(i, letter), m)
			state = change.State
			got.WriteString(answer(change))
		}
		if got.String() != want {
			t.Errorf("%s: got %s, want %s", letters, got.String(), want)
		}
	}
}

func TestRecheckIsScheduledBelowAThreshold(t *testing.T) {
	t.Parallel()
	m := website(3, 2)
	m.RetryInterval = job.Duration(10 * time.Second)
	var state job.State
	var got strings.Builder
	const letters = "UDDDDUU"
	for i, letter := range letters {
		change := evaluate.Step(state, result(i, letter), m)
		state = change.State
		switch {
		case change.Recheck.IsZero():
			got.WriteString(".")
		case change.Recheck.Equal(result(i, letter).Slot.Add(10 * time.Second)):
			got.WriteString("r")
		default:
			t.Errorf("slot %d: got recheck at %s, want it 10s later", i, change.Recheck)
		}
	}
	if want := ".rr..r."; got.String() != want {
		t.Errorf("%s: got %s, want %s", letters, got.String(), want)
	}
	again := evaluate.Step(state, result(2, 'D'), m)
	if !again.Recheck.IsZero() {
		t.Error("got a recheck for a result that came twice")
	}
}

func TestFlappingBeginsAndEnds(t *testing.T) {
	t.Parallel()
	m := website(1, 1)
	m.Flapping = nil // the default
	_, events := run(job.State{}, m, "UUU"+"DUDUDU"+strings.Repeat("U", 30), 0)
	var got []string
	for _, e := range events {
		got = append(got, eventText(&e)+" "+e.At.Sub(start).String())
	}
	want := []string{"down began 3m0s", "down ended 4m0s", "down began 5m0s", "down ended 6m0s", "down began 7m0s", "down ended 8m0s", "flapping began 8m0s", "flapping ended 24m0s"}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The score is the sum over all slots, however few are remembered.
func TestScoreIsTheSumOverAllSlots(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 3))
		var flips []int64
		want := 0.0
		for place := 19; place >= 0; place-- {
			if random.IntN(3) == 0 {
				flips = append(flips, start.Add(-time.Duration(place)*time.Minute).Unix())
				want += (1.2 - 0.4*float64(place)/19) * 5
			}
		}
		if got := evaluate.Score(flips, start, time.Minute); math.Abs(got-min(100, want)) > 1e-6 {
			t.Fatalf("seed %d: got %f, want %f", seed, got, want)
		}
	}
}

func TestCertificateIsAlertedOnceForEachAlert(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	expires := start.Add(30 * day)
	renewed := start.Add(120 * day)
	var state job.State
	var got []string
	for hour := range 24 * 32 {
		r := result(60*hour, 'U')
		r.ProbeResult.CertificateExpires = expires
		if hour > 24*28 {
			r.ProbeResult.CertificateExpires = renewed
		}
		change := evaluate.Step(state, r, website(1, 1))
		state = change.State
		for _, e := range change.Events {
			got = append(got, eventText(&e)+" "+e.Incident.ProbeResult.CertificateExpires.Sub(e.At).String())
		}
	}
	want := []string{"certificate began 504h0m0s", "certificate began 168h0m0s"}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("got %v, want %v", got, want)
	}
	if state.Certificate != nil {
		t.Errorf("got %+v, want the old certificate forgotten", state.Certificate)
	}
}

func TestNoDataNamesItsBeginningAndReason(t *testing.T) {
	t.Parallel()
	_, events := run(job.State{}, website(1, 1), "UDMMM", 0)
	noData := events[len(events)-1]
	if noData.Incident.Condition != job.ConditionNoData || noData.Kind != job.EventBegan || !noData.Incident.Began.Equal(start.Add(2*time.Minute)) || noData.Incident.Reason != "late" || noData.Incident.Notify != nil {
		t.Errorf("got %+v, want no data from the first missed slot, for the operators", noData)
	}
	_, events = run(job.State{}, website(1, 1), "U???", 0)
	failed := events[len(events)-1].Incident
	if failed.Condition != job.ConditionNoData || failed.Reason != job.MissCheckFailed || failed.Detail != "no reference target answered" {
		t.Errorf("got %+v, want the failed checks as the reason, and their cause as its detail", failed)
	}
	// A gap that is over is no missing data, unless no result follows.
	gap := result(1, 'M')
	gap.Miss.Count, gap.Miss.Last = 10, start.Add(10*time.Minute)
	state, _ := run(job.State{}, website(1, 1), "U", 0)
	change := evaluate.Step(state, gap, website(1, 1))
	if len(change.Events) != 0 || change.State.MissedSlots != 10 {
		t.Errorf("got %+v, want the gap counted and no event", change)
	}
	if _, events := run(change.State, website(1, 1), "U", 11); len(events) != 0 {
		t.Errorf("got %+v, want no event when there is a result", events)
	}
	if _, events := run(change.State, website(1, 1), "M", 11); len(events) != 1 || events[0].Kind != job.EventBegan {
		t.Errorf("got %+v, want no data without one", events)
	}

	// A check that never ends: its own slot has no result, the next two are refused.
	overlap := func(n int) job.Result {
		r := result(n, 'M')
		r.Miss.Reason = job.MissOverlap
		return r
	}
	state, _ = run(job.State{}, website(1, 1), "U", 0)
	state = evaluate.Step(state, overlap(2), website(1, 1)).State
	change = evaluate.Step(state, overlap(3), website(1, 1))
	if len(change.Events) != 1 || change.Events[0].Kind != job.EventBegan {
		t.Errorf("got %+v, want no data after three slots without a result", change.Events)
	}
}

// An absence that is over must not end flapping, since nothing is known about that
// time.
func TestTransitionsKeepTheirAgeWhileVedetteIsAway(t *testing.T) {
	t.Parallel()
	m := website(1, 1)
	m.Flapping = &job.Flapping{Enter: 30, Leave: 20}
	state, events := run(job.State{}, m, "UDUDUDUDU", 0)
	if state.Flapping == nil {
		t.Fatalf("got %+v, want a flapping monitor", events)
	}
	score := evaluate.Score(state.Transitions, start.Add(8*time.Minute), m.Period)
	gap := result(9, 'A')
	gap.Miss.Count, gap.Miss.Last = 100, start.Add(108*time.Minute)
	change := evaluate.Step(state, gap, m)
	again := evaluate.Step(change.State, gap, m)
	if again.Write || !slices.Equal(again.State.Transitions, change.State.Transitions) {
		t.Errorf("got %+v, want a repeated absence to change nothing", again.State.Transitions)
	}
	if got := evaluate.Score(change.State.Transitions, start.Add(108*time.Minute), m.Period); got != score {
		t.Errorf("got a score of %g after the absence, want %g as before", got, score)
	}
	if state, events := run(change.State, m, "U", 109); state.Flapping == nil {
		t.Errorf("got %+v, want it still flapping", events)
	}
}

func TestAbsenceIsNoMissingDataAtAnyLocation(t *testing.T) {
	t.Parallel()
	m := website(1, 1)
	m.Locations = []string{"a", "b"}
	gap := result(1, 'A')
	gap.Miss.Count, gap.Miss.Last = 10, start.Add(10*time.Minute)
	if change := evaluate.Step(job.State{}, gap, website(1, 1)); change.Write {
		t.Errorf("got %+v, want nothing written for a monitor without a state", change)
	}
	for _, location := range m.Locations {
		gap.Location = location
		change := evaluate.Step(job.State{}, gap, m)
		if len(change.Events) > 0 || change.Write {
			t.Errorf("%s: got %+v, want nothing written for a monitor without a state", location, change)
		}
	}
}
