package evaluate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
)

// multiLocation is the website, checked from several locations.
func multiLocation(failures, successes, quorum int, locations ...string) evaluate.Monitor {
	m := website(failures, successes)
	m.Locations, m.Quorum = locations, quorum
	return m
}

func placed(n int, letter rune, location string) job.Result {
	r := result(n, letter)
	r.Location = location
	return r
}

// slotText is an event with its slot: "3 down began".
func slotText(n int, event *job.Event) string {
	text := fmt.Sprintf("%d %s", n, eventText(event))
	if event.Incident.Condition == job.ConditionNoData {
		text += " " + event.Incident.Location
	}
	return text
}

func TestVote(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		monitor evaluate.Monitor
		slots   string // what fra, nyc and sin find in each; - for no result
		want    []string
	}{
		{"one location alone makes no event", multiLocation(1, 1, 2, "fra", "nyc", "sin"), "UUU DUU DUU UUU", nil},
		{"a quorum makes it down, and without one it is up", multiLocation(1, 1, 2, "fra", "nyc", "sin"), "UUU DDU DDD DUU", []string{"1 down began", "3 down ended"}},
		{"the default quorum is more than half", multiLocation(1, 1, 0, "fra", "nyc", "sin"), "DUU DDU", []string{"1 down began"}},
		{"the default quorum for two is both", multiLocation(1, 1, 0, "fra", "nyc"), "DU DU DD UD", []string{"2 down began", "3 down ended"}},
		{"a quorum of one", multiLocation(1, 1, 1, "fra", "nyc"), "UU DU UU", []string{"1 down began", "2 down ended"}},
		{"each location counts its own failures", multiLocation(2, 1, 2, "fra", "nyc", "sin"), "DDU DUU UDU DDU DDU", []string{"4 down began"}},
		{"they need not fail in the same slots", multiLocation(1, 1, 2, "fra", "nyc", "sin"), "DU- DUU -DU", []string{"2 down began"}},
		{
			"a location without workers has no data, and the others vote",
			multiLocation(1, 1, 2, "fra", "nyc", "sin"), "UUM UUM UUM DUM DDM UUM UUU",
			[]string{"2 no_data began sin", "4 down began", "5 down ended", "6 no_data ended sin"},
		},
		{
			"a down location without data keeps its vote against up, and has none for down",
			multiLocation(1, 1, 2, "fra", "nyc", "sin"), "DUU MUU MUU MUU MUD MDD MDU MUU",
			[]string{"3 no_data began fra", "5 down began", "7 down ended"},
		},
		{
			"a monitor without data from several locations stays down as long as it may be", multiLocation(1, 1, 2, "fra", "nyc", "sin"), "DDU MMU MMU MMU MMU UMU",
			[]string{"0 down began", "3 no_data began fra", "3 no_data began nyc", "5 no_data ended fra", "5 down ended"},
		},
		{"degraded takes a quorum of degraded or down", multiLocation(1, 1, 2, "fra", "nyc", "sin"), "WUU WDU UDU", []string{"1 degraded began", "2 degraded ended"}},
		{"down replaces degraded", multiLocation(1, 1, 2, "fra", "nyc", "sin"), "WWU DDU UUU", []string{"0 degraded began", "1 down began", "2 down ended"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var state job.State
			var got []string
			for n, slot := range strings.Fields(c.slots) {
				for i, letter := range slot {
					if letter == '-' {
						continue
					}
					change := evaluate.Step(state, placed(n, letter, c.monitor.Locations[i]), c.monitor)
					state = change.State
					for j := range change.Events {
						got = append(got, slotText(n, &change.Events[j]))
					}
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIncidentAtSeveralLocationsHasTheirVotes(t *testing.T) {
	t.Parallel()
	m := multiLocation(1, 1, 2, "fra", "nyc", "sin", "tyo")
	var state job.State
	for _, r := range []job.Result{placed(0, 'U', "sin"), placed(0, 'D', "fra"), placed(0, '?', "tyo"), placed(1, '?', "tyo"), placed(2, '?', "tyo"), placed(3, 'D', "nyc")} {
		state = evaluate.Step(state, r, m).State
	}
	got := state.Incident
	if got == nil || got.Location != "fra,nyc,sin,tyo" || !got.Began.Equal(placed(3, 'D', "nyc").Slot) || got.Quorum != 2 {
		t.Fatalf("got %+v, want an incident with all four locations, from the second failure on", got)
	}
	want := []job.Vote{
		{Location: "fra", Health: job.Down, Cause: "connect refused"},
		{Location: "nyc", Health: job.Down, Cause: "connect refused"},
		{Location: "sin", Health: job.Up},
		{Location: "tyo", Health: job.Unknown, Reason: job.MissCheckFailed, Detail: "no reference target answered"},
	}
	if diff := cmp.Diff(want, got.Votes); diff != "" {
		t.Errorf("votes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"fra", "nyc"}, []string{got.Recent[0].Location, got.Recent[1].Location}); diff != "" {
		t.Errorf("locations of the last results (-want +got):\n%s", diff)
	}
}

func TestCertificateSeenFromAllLocationsIsAlertedOnce(t *testing.T) {
	t.Parallel()
	m := multiLocation(1, 1, 2, "fra", "nyc", "sin")
	var state job.State
	events := 0
	for n := range 3 {
		for i, location := range m.Locations {
			r := placed(n, 'U', location)
			r.ProbeResult.CertificateExpires = start.Add(100 * time.Hour)
			if i == 2 { // another server with another certificate
				r.ProbeResult.CertificateExpires = start.Add(99 * time.Hour)
			}
			change := evaluate.Step(state, r, m)
			state = change.State
			events += len(change.Events)
		}
	}
	if events != 2 {
		t.Errorf("got %d events, want one for each certificate", events)
	}
}

func TestOnlyTheVoteFlaps(t *testing.T) {
	t.Parallel()
	m := multiLocation(1, 1, 2, "fra", "nyc", "sin")
	m.Flapping = nil // the default
	var state job.State
	var got []string
	for n := range 60 {
		letters := "DUU" // fra alone, whatever it does, makes no flapping
		if n%2 == 0 {
			letters = "UUU"
		}
		if n >= 30 && n < 36 && n%2 == 1 {
			letters = "DDU"
		}
		for i, letter := range letters {
			change := evaluate.Step(state, placed(n, letter, m.Locations[i]), m)
			state = change.State
			for j := range change.Events {
				if change.Events[j].Incident.Condition == job.ConditionFlapping {
					got = append(got, slotText(n, &change.Events[j]))
				}
			}
		}
	}
	if len(got) != 2 || !strings.HasSuffix(got[0], "began") || !strings.HasSuffix(got[1], "ended") {
		t.Errorf("got %q, want one beginning and one end", got)
	}
}

func TestLocationsAreAddedAndRemoved(t *testing.T) {
	t.Parallel()
	step := func(state job.State, m evaluate.Monitor, n int, letter rune, location string) (job.State, []string) {
		change := evaluate.Step(state, placed(n, letter, location), m)
		var got []string
		for i := range change.Events {
			got = append(got, slotText(n, &change.Events[i]))
		}
		return change.State, got
	}
	var state job.State
	var got, more []string
	one, three := website(1, 1), multiLocation(1, 1, 2, "fra", "nyc", "sin")
	for _, s := range []struct {
		m        evaluate.Monitor
		n        int
		letter   rune
		location string
	}{
		{one, 0, 'D', "default"},                              // down with one location
		{three, 1, 'U', "fra"},                                // one of three decides nothing yet
		{three, 1, 'U', "nyc"},                                // now no quorum is possible
		{three, 1, 'M', "sin"},                                // sin has no data from here on
		{three, 2, 'M', "sin"},                                //
		{three, 3, 'M', "sin"},                                //
		{multiLocation(1, 1, 2, "fra", "nyc"), 4, 'U', "fra"}, // and then it is removed
		{multiLocation(1, 1, 1, "fra", "nyc"), 5, 'D', "fra"}, // a quorum of one
		{one, 6, 'U', "default"},
	} {
		state, more = step(state, s.m, s.n, s.letter, s.location)
		got = append(got, more...)
	}
	if diff := cmp.Diff([]string{"0 down began", "1 down ended", "3 no_data began sin", "4 no_data removed sin", "5 down began", "6 down ended"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(state.Locations) != 0 {
		t.Errorf("got %d locations for a monitor with one, want none", len(state.Locations))
	}
}

// Each location is evaluated like a monitor, and the vote holds for results that
// come in any order, twice or late.
func TestVoteHoldsForResultsInAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 1))
		m := multiLocation(1+random.IntN(3), 1+random.IntN(3), 0, []string{"a", "b", "c", "d", "e"}[:2+random.IntN(4)]...)
		m.Quorum = random.IntN(len(m.Locations) + 1)
		state, alone := job.State{}, make([]job.State, len(m.Locations))
		var events []job.Event
		next := make([]int, len(m.Locations))
		for range 400 {
			i := random.IntN(len(m.Locations))
			if random.IntN(8) > 0 {
				next[i]++
			}
			r := placed(next[i], []rune("UUUDDDWM?")[(random.IntN(9)+next[i]/20)%9], m.Locations[i])
			before := encoded(t, state)
			change := evaluate.Step(state, r, m)
			if after := encoded(t, state); after != before {
				t.Fatalf("seed %d: got the argument changed to %s, want %s", seed, after, before)
			}
			state, events = change.State, append(events, change.Events...)
			single := website(m.FailureThreshold, m.SuccessThreshold)
			single.Locations = m.Locations[i : i+1]
			alone[i] = evaluate.Step(alone[i], r, single).State
			sameEvaluation(t, &state.Locations[i], &alone[i])
			voteHolds(t, &state, &m)
		}
		eventsHold(t, events)
		if t.Failed() {
			t.Fatalf("seed %d, %d locations, quorum %d", seed, len(m.Locations), m.RequiredVotes())
		}
	}
}

func encoded(t *testing.T, state job.State) string {
	t.Helper()
	body, err := job.Encode(state)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func sameEvaluation(t *testing.T, got, want *job.State) {
	t.Helper()
	text := func(s job.State) string {
		return fmt.Sprint(s.Health, s.Slot, s.Failures, s.Successes, s.Window, s.MissedSlots, s.LastUp, s.Degraded != nil, s.NoData != nil, s.Incident != nil)
	}
	if text(*got) != text(*want) {
		t.Errorf("got %+v for a location, want that of a monitor, %+v", got, want)
	}
}

func voteHolds(t *testing.T, state *job.State, m *evaluate.Monitor) {
	t.Helper()
	seen, maybe := 0, 0
	for i := range state.Locations {
		own := &state.Locations[i]
		if own.Health == job.Down && own.NoData == nil {
			seen++
		}
		if own.Health == job.Down || own.Health == job.Pending && own.NoData == nil {
			maybe++
		}
	}
	if down := state.Health == job.Down; down && maybe < m.RequiredVotes() || !down && seen >= m.RequiredVotes() {
		t.Errorf("got %s with %d locations down and %d that may be, and a quorum of %d", state.Health, seen, maybe, m.RequiredVotes())
	}
}

func eventsHold(t *testing.T, events []job.Event) {
	t.Helper()
	ids, open := map[string]bool{}, map[string]bool{}
	for i := range events {
		event := &events[i]
		about := string(event.Incident.Condition)
		if event.Incident.Condition == job.ConditionNoData {
			about += event.Incident.Location
		}
		if ids[event.ID] || event.Sequence != i+1 {
			t.Errorf("got event %+v at place %d, want each once, numbered", event, i+1)
		}
		ids[event.ID] = true
		if (event.Kind == job.EventBegan) == open[about] && about != string(job.ConditionDegraded) { // down ends degraded without an event
			t.Errorf("got %s while open is %v", event.Kind, open[about])
		}
		open[about] = event.Kind == job.EventBegan
	}
}

// Several evaluators that observe each other's writes late agree in the end.
func TestSeveralEvaluatorsAgreeOnVotes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 2))
		s, m := newStore(), multiLocation(2, 2, 2, "fra", "nyc", "sin")
		all := []*evaluate.Evaluator{newEvaluator(t, s), newEvaluator(t, s), newEvaluator(t, s)}
		for _, e := range all {
			define(e, m)
		}
		observeAll := func() {
			for _, e := range all {
				if state, ok := s.states["website"]; ok {
					observe(t, e, state, s.revision["website"])
				}
			}
		}
		n := 0
		for _, phase := range []struct {
			letters string
			want    job.Health
		}{{"UUUDDM?W", ""}, {"D", job.Down}, {"UUUDDM?W", ""}, {"U", job.Up}} {
			for range 12 {
				n++
				for _, location := range m.Locations {
					r := placed(n, rune(phase.letters[random.IntN(len(phase.letters))]), location)
					if err := all[random.IntN(len(all))].Handle(t.Context(), job.Results{Results: []job.Result{r}}); err != nil {
						t.Fatal(err)
					}
				}
				if random.IntN(3) == 0 {
					observeAll()
				}
			}
			observeAll()
			if got := s.states["website"].Health; phase.want != "" && got != phase.want {
				t.Fatalf("seed %d: got %s after slot %d, want %s", seed, got, n, phase.want)
			}
		}
		var events []job.Event
		for i := range s.writes {
			for _, event := range s.writes[i].Events {
				if !slices.ContainsFunc(events, func(e job.Event) bool { return e.ID == event.ID }) {
					events = append(events, event)
				}
			}
		}
		eventsHold(t, events)
	}
}

func TestSuccessesFromSeveralLocationsAreNotWritten(t *testing.T) {
	t.Parallel()
	s, m := newStore(), multiLocation(1, 1, 2, "fra", "nyc", "sin")
	e := newEvaluator(t, s)
	define(e, m)
	send := func(n int, letters string) {
		for i, letter := range letters {
			if err := e.Handle(t.Context(), job.Results{Results: []job.Result{placed(n, letter, m.Locations[i])}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range 5 {
		send(n, "UUU")
	}
	if len(s.writes) != 0 {
		t.Fatalf("got %d writes, want none", len(s.writes))
	}
	send(5, "UUD")
	if len(s.writes) != 1 {
		t.Fatalf("got %d writes, want the failure after successes in the same slot", len(s.writes))
	}
	wrote := s.writes[0].Locations
	if wrote[0].Health != job.Up || wrote[2].Health != job.Down || !wrote[2].Incident.LastUp.Equal(placed(4, 'U', "sin").Slot) {
		t.Errorf("got %+v, want the health of each location", wrote)
	}
	send(6, "UUU")
	before := len(s.writes)
	send(7, "UUU")
	send(6, "DDD") // late
	if len(s.writes) != before {
		t.Errorf("got %d writes more, want none when all are up", len(s.writes)-before)
	}
}
