package workers

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
)

func TestManyChangedMonitorsAreOnePass(t *testing.T) {
	t.Parallel()
	var changes definitionChanges
	changes.add("a")
	changes.add("a")
	changes.add("b")
	if monitors, all := changes.take(); len(monitors) != 2 || all {
		t.Errorf("got %v, all %t, want two monitors", monitors, all)
	}
	for i := range maxChanges + 1 {
		changes.add(strconv.Itoa(i))
	}
	if monitors, all := changes.take(); len(monitors) != maxChanges || !all {
		t.Errorf("got %d monitors, all %t, want one pass over all", len(monitors), all)
	}
	if monitors, all := changes.take(); len(monitors) != 0 || all {
		t.Errorf("got %v, all %t, want nothing twice", monitors, all)
	}
}

func TestOpenStatesAreFound(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	buckets, err := pipeline.Buckets(t.Context(), p, topology.States, topology.Monitors)
	if err != nil {
		t.Fatal(err)
	}
	l := &storedLookup{states: buckets[topology.States], definitions: buckets[topology.Monitors]}
	incident := &job.Incident{ID: "i", Condition: job.ConditionDown, Began: began}
	ended := []job.Event{{Kind: job.EventEnded, Incident: *incident}}
	for name, state := range map[string]job.State{
		"up": {Health: job.Up}, "recovered": {Health: job.Up, Events: ended}, "down": {Health: job.Down, Incident: incident, Events: ended},
		"no-data": {NoData: incident}, "flapping": {Flapping: incident}, "degraded": {Degraded: incident},
		"location": {Locations: []job.State{{Location: "fra"}, {Location: "nyc", NoData: incident}}},
		"vote":     {Locations: []job.State{{Location: "fra", Incident: incident}}}, // one location is down, and not the monitor
	} {
		state.V, state.Monitor = job.Version, name
		put(t, p, topology.States, name, state)
	}
	var found []string
	if err := l.OpenStates(t.Context(), func(state *job.State) error { found = append(found, state.Monitor); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	if want := []string{"degraded", "down", "flapping", "location", "no-data"}; !slices.Equal(found, want) {
		t.Errorf("got %v, want %v", found, want)
	}
	enough := errors.New("enough")
	calls := 0
	if err := l.OpenStates(t.Context(), func(*job.State) error { calls++; return enough }); !errors.Is(err, enough) || calls != 1 {
		t.Errorf("got %v after %d calls, want the error after one", err, calls)
	}
}
