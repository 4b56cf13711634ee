package notify

import (
	"context"
	"errors"
	"testing"
	"time"

	"vedette/pipeline/job"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// relatives is a lookup in memory.
type relatives struct {
	monitors map[string]job.Monitor
	states   map[string]job.State
	failing  map[string]bool
	lookups  int
}

func (r *relatives) Monitor(_ context.Context, name string) (job.Monitor, bool, error) {
	r.lookups++
	if name == "broken" {
		return job.Monitor{}, false, errors.New("read bucket: connection lost")
	}
	m, ok := r.monitors[name]
	return m, ok, nil
}

func (r *relatives) State(_ context.Context, name string) (job.State, error) {
	return r.states[name], nil
}

func (*relatives) OpenStates(context.Context, func(*job.State) error) error { return nil }

func (r *relatives) Failing(_ context.Context, m *job.Monitor) bool { return r.failing[m.Name] }

func downState(name string) job.State {
	return job.State{Health: job.Down, Incident: &job.Incident{Condition: job.ConditionDown, Monitor: name, Began: noon, Notify: []string{"oncall"}}}
}

// recoveredState is up again, after an incident that began at noon.
func recoveredState(name string, at time.Time) job.State {
	return job.State{Health: job.Up, Events: []job.Event{{Kind: job.EventEnded, At: at, Incident: *downState(name).Incident}}}
}

func TestParentMutes(t *testing.T) {
	t.Parallel()
	monitors := map[string]job.Monitor{
		"core": {Name: "core", Interval: job.Duration(time.Minute)}, "router": {Name: "router", DependsOn: []string{"core"}, Interval: job.Duration(time.Minute)},
		"a": {Name: "a", DependsOn: []string{"b"}}, "b": {Name: "b", DependsOn: []string{"a"}},
		"resting": {Name: "resting", Policy: job.Policy{}, Paused: true},
	}
	ended := func(at time.Time) func(*job.Notified) {
		return func(known *job.Notified) { known.Resolution = &job.Resolution{Kind: job.EventEnded, At: at} }
	}
	for name, m := range monitors {
		m.Notify = []string{"oncall"}
		monitors[name] = m
	}
	for name, c := range map[string]struct {
		dependsOn []string
		states    map[string]job.State
		failing   string
		silence   string
		address   string
		change    func(*job.Notified)
		want      Mute
	}{
		"parents that are up":             {dependsOn: []string{"router"}},
		"no such parent":                  {dependsOn: []string{"removed"}},
		"a parent that cannot be read":    {dependsOn: []string{"broken"}},
		"parents in a circle":             {dependsOn: []string{"a"}},
		"a paused parent is not checked":  {dependsOn: []string{"resting"}, failing: "resting"},
		"a parent that is down":           {dependsOn: []string{"router"}, states: map[string]job.State{"router": downState("router")}, want: Mute{Kind: MuteParent, By: "router", Notified: true}},
		"the first cause above a parent":  {dependsOn: []string{"router"}, states: map[string]job.State{"router": downState("router"), "core": downState("core")}, want: Mute{Kind: MuteParent, By: "core", Notified: true}},
		"the cause above a parent":        {dependsOn: []string{"router"}, states: map[string]job.State{"core": downState("core")}, want: Mute{Kind: MuteParent, By: "core", Notified: true}},
		"an address without parent mails": {dependsOn: []string{"router"}, states: map[string]job.State{"router": downState("router")}, address: "other@example.org", want: Mute{Kind: MuteParent, By: "router"}},
		"the silence of a parent": {
			dependsOn: []string{"router"}, states: map[string]job.State{"router": downState("router")}, silence: "router",
			want: Mute{Kind: MuteSilence, By: "s", Until: noon.Add(time.Hour)},
		},
		"a parent that fails and is not down yet": {dependsOn: []string{"router"}, failing: "router", want: Mute{Kind: MutePending, By: "router", Until: noon.Add(65 * time.Second)}},
		"a parent that fails for too long": {
			dependsOn: []string{"router"}, failing: "router", change: func(known *job.Notified) { known.ReceivedAt = noon.Add(-time.Hour) },
		},
		"time to recover after a parent": {
			dependsOn: []string{"core"}, states: map[string]job.State{"core": recoveredState("core", noon.Add(30*time.Second))},
			want: Mute{Kind: MutePending, By: "core", Until: noon.Add(150 * time.Second)},
		},
		"a parent that recovered before": {
			dependsOn: []string{"core"}, states: map[string]job.State{"core": recoveredState("core", noon.Add(-time.Minute))},
		},
		"an incident within the parent's": {
			dependsOn: []string{"core"}, states: map[string]job.State{"core": recoveredState("core", noon.Add(30*time.Second))}, change: ended(noon.Add(40 * time.Second)),
			want: Mute{Kind: MuteParent, By: "core", Notified: true},
		},
		"an incident that ended before the parent's began": {
			dependsOn: []string{"core"}, states: map[string]job.State{"core": recoveredState("core", noon.Add(30*time.Second))}, change: ended(noon.Add(-time.Second)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lookup := &relatives{monitors: monitors, states: c.states, failing: map[string]bool{c.failing: true}}
			d := newDecider(Config{Lookup: lookup, Now: func() time.Time { return noon.Add(time.Minute) }}, &Directory{}, &Mutes{})
			d.directory.Set(job.Recipient{Name: "oncall", Addresses: []string{"ops@example.org"}})
			if c.silence != "" {
				d.mutes.SetSilence(job.Silence{ID: "s", Match: job.Match{Monitors: []string{c.silence}}, Starts: noon, Ends: noon.Add(time.Hour)})
			}
			known := &job.Notified{ReceivedAt: noon, Incident: job.Incident{Monitor: "host", Began: noon, Period: job.Duration(time.Minute), DependsOn: c.dependsOn}}
			if c.change != nil {
				c.change(known)
			}
			if c.address == "" {
				c.address = "ops@example.org"
			}
			mute := d.parent(t.Context(), c.address)
			if got := mute(known); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			before := lookup.lookups
			mute(known)
			if lookup.lookups != before {
				t.Errorf("got %d lookups more for the same decision, want none", lookup.lookups-before)
			}
		})
	}
}
