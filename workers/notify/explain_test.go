package notify_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
	"vedette/workers/notify"
)

func (w *world) explainer() *notify.Explainer {
	return notify.NewExplainer(notify.Config{Store: w, Lookup: w, Now: func() time.Time { return w.now }}, w.notifier.Directory(), w.notifier.Mutes())
}

// fate is what an explanation predicts for an outstanding notification.
type fate string

const (
	held       fate = "held"
	waits      fate = "waits"
	due        fate = "due"
	suppressed fate = "suppressed"
)

// predict returns the fate of each outstanding notification, by address, monitor
// and incident, and counts the kinds of mute.
func (w *world) predict(kinds map[notify.MuteKind]int) map[string]fate {
	w.tb.Helper()
	fates := map[string]fate{}
	for key := range w.still() {
		fates[key] = suppressed // unless an explanation lists it
	}
	for name, m := range w.defined {
		_, notified, err := w.explainer().Explain(w.tb.Context(), &m)
		if err != nil {
			w.tb.Fatal(err)
		}
		for _, x := range notified {
			for _, known := range x.Incidents {
				key := x.Address + " " + name + " " + known.Incident.ID
				at := slices.IndexFunc(x.Held, func(h notify.Held) bool { return h.Incident == known.Incident.ID })
				switch {
				case !outstanding(known):
				case at >= 0:
					fates[key] = held
					kinds[x.Held[at].Kind]++
					w.expectReason(name, &x.Held[at].Mute)
				case x.NextMail.After(w.now):
					fates[key] = waits
				default:
					fates[key] = due
				}
			}
		}
	}
	return fates
}

// expectReason checks a parent's mute against the states.
func (w *world) expectReason(name string, mute *notify.Mute) {
	w.tb.Helper()
	if mute.Kind != notify.MuteParent {
		return
	}
	above, known := w.defined[name].DependsOn, false
	for range 3 {
		known = known || slices.Contains(above, mute.By)
		var next []string
		for _, parent := range above {
			next = append(next, w.defined[parent].DependsOn...)
		}
		above = next
	}
	if !known {
		w.tb.Fatalf("at %s: %s is held back by %s, want a monitor that it depends on", w.now, name, mute.By)
	}
}

// flushAll flushes all groups now, and returns the updates in the mails, by
// address, monitor and incident.
func (w *world) flushAll() map[string]bool {
	w.tb.Helper()
	before := len(w.order)
	for key := range w.keys {
		if isGroup(key) {
			w.do(func() error { return w.notifier.Flush(w.tb.Context(), strings.ReplaceAll(key, ".", "-")) })
		}
	}
	sent := map[string]bool{}
	for _, id := range w.order[before:] {
		for _, update := range w.notifications[id].Updates {
			if update.Firing || update.Resolved || update.Paused || update.Resumed {
				sent[w.mails[id].To+" "+update.Monitor+" "+update.Incident] = true
			}
		}
	}
	return sent
}

// still returns the outstanding notifications in the store, by address, monitor
// and incident.
func (w *world) still() map[string]bool {
	w.tb.Helper()
	found := map[string]bool{}
	for key, e := range w.keys {
		if isGroup(key) {
			continue
		}
		log, err := job.Decode[job.NotificationLog](e.Value)
		if err != nil {
			w.tb.Fatal(err)
		}
		group, err := job.Decode[job.NotificationGroup](w.keys[strings.Split(key, ".")[0]+"."+log.Group].Value)
		if err != nil {
			w.tb.Fatal(err)
		}
		for _, known := range log.Incidents {
			if outstanding(known) {
				found[group.Address+" "+log.Monitor+" "+known.Incident.ID] = true
			}
		}
	}
	return found
}

// graph is a random installation with three levels of dependencies.
func graph(w *world, random *rand.Rand) []*evaluate.Monitor {
	w.recipient("night", "night@example.org")
	grouping := job.Grouping{GroupWait: seconds(30 * random.IntN(3)), GroupInterval: seconds(60 * random.IntN(6)), MaxListed: 10}
	if random.IntN(2) == 0 {
		grouping.GroupBy = []string{job.GroupByGroup}
	}
	w.grouping(grouping)
	var all []*evaluate.Monitor
	var above []string
	for level := range 3 {
		var names []string
		for i := range 2 + random.IntN(2) {
			name := fmt.Sprintf("level%c%d", 'a'+level, i)
			var parents []string
			for range random.IntN(3) {
				if len(above) > 0 {
					parents = append(parents, above[random.IntN(len(above))])
				}
			}
			m := monitor(name, slices.Compact(parents)...)
			m.FailureThreshold = 1 + random.IntN(2)
			m.Notify = [][]string{{"oncall"}, {"night"}, {"oncall", "night"}}[random.IntN(3)]
			if random.IntN(3) == 0 {
				m.Flapping = nil // the default
			}
			all, names = append(all, m), append(names, name)
		}
		above = append(above, names...)
	}
	return all
}

// disturb changes something that may hold a notification back.
func disturb(w *world, random *rand.Rand, m *evaluate.Monitor) {
	match := job.Match{Monitors: []string{m.Name}}
	switch random.IntN(12) {
	case 0:
		w.notifier.Mutes().SetSilence(job.Silence{ID: m.Name, Match: match, Starts: w.now, Ends: w.now.Add(time.Duration(random.IntN(20)) * time.Minute)})
	case 1:
		w.notifier.Mutes().RemoveSilence(m.Name)
	case 2:
		if err := w.notifier.Mutes().SetWindows([]job.Maintenance{{Name: "window", Match: match, Cron: "*/15 * * * *", For: seconds(300)}}); err != nil {
			w.tb.Fatal(err)
		}
	case 3:
		m.Paused = !m.Paused
	}
}

// What an explanation says holds back a notification is what the notifier finds
// when it decides at the same moment.
func TestExplanationsAgreeWithTheNotifier(t *testing.T) {
	t.Parallel()
	kinds, fates := map[notify.MuteKind]int{}, map[fate]int{}
	for seed := range uint64(200) {
		w, random := newWorld(t), rand.New(rand.NewPCG(seed, 5))
		monitors := graph(w, random)
		down := make([]bool, len(monitors))
		for range 30 {
			for i, m := range monitors {
				disturb(w, random, m)
				chance := 9
				if m.Flapping == nil {
					chance = 3
				}
				if random.IntN(chance) == 0 {
					down[i] = !down[i]
				}
				w.define(m)
				if m.Paused {
					continue
				}
				w.result(m, map[bool]job.Health{true: job.Down, false: job.Up}[down[i]])
			}
			if random.IntN(4) > 0 {
				w.pass(time.Minute)
				continue
			}
			w.relay() // a mail that may be withdrawn would change what is outstanding
			predicted := w.predict(kinds)
			sent := w.flushAll()
			still := w.still()
			for key, fate := range predicted {
				fates[fate]++
				if sent[key] != (fate == due) || still[key] != (fate == held || fate == waits) {
					t.Fatalf("seed %d, at %s: explained as %s, got mailed %t and outstanding %t: %s", seed, w.now.Sub(began), fate, sent[key], still[key], key)
				}
			}
			w.pass(time.Minute)
		}
	}
	for _, kind := range []notify.MuteKind{notify.MuteSilence, notify.MuteMaintenance, notify.MuteParent, notify.MutePending, notify.MuteFlapping} {
		if kinds[kind] < 50 {
			t.Errorf("got %d notifications held back by %s, want more to compare", kinds[kind], kind)
		}
	}
	for _, fate := range []fate{held, waits, due, suppressed} {
		if fates[fate] < 50 {
			t.Errorf("got %d explanations that say %s, want more to compare", fates[fate], fate)
		}
	}
	t.Log(kinds, fates)
}

// What would hold back a monitor that goes down is what holds it back when it
// does.
func TestExplanationsPredictWhatHoldsBackAMonitorThatGoesDown(t *testing.T) {
	t.Parallel()
	compared := 0
	for seed := range uint64(300) {
		w, random := newWorld(t), rand.New(rand.NewPCG(seed, 6))
		monitors := graph(w, random)
		victim := monitors[len(monitors)-1]
		victim.FailureThreshold, victim.Flapping, victim.Paused = 1, &job.Flapping{}, false
		for _, m := range monitors {
			disturb(w, random, m)
			w.result(m, job.Up)
		}
		w.pass(time.Hour)
		for _, m := range monitors[:len(monitors)-1] {
			if random.IntN(3) == 0 {
				w.result(m, job.Down)
			}
		}
		w.pass(time.Second)
		before, _, err := w.explainer().Explain(t.Context(), &victim.Monitor)
		if err != nil {
			t.Fatal(err)
		}
		w.result(victim, job.Down)
		after, notified, err := w.explainer().Explain(t.Context(), &victim.Monitor)
		if err != nil {
			t.Fatal(err)
		}
		var found []notify.Mute
		for _, x := range notified {
			for _, h := range x.Held {
				if !slices.ContainsFunc(found, func(m notify.Mute) bool { return m.By == h.By && m.Kind == h.Kind }) {
					found = append(found, h.Mute)
				}
			}
		}
		if fmt.Sprint(before) != fmt.Sprint(after) || len(found) != len(before) {
			t.Fatalf("seed %d: predicted %+v, got %+v and held %+v", seed, before, after, found)
		}
		compared += len(before)
	}
	if compared < 50 {
		t.Errorf("got %d mutes, want more to compare", compared)
	}
}
