package notify

import (
	"slices"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Mutes knows of whom people want no mail at the moment: the silences and the
// maintenance windows. It is safe for concurrent use; its zero value knows
// none.
type Mutes struct {
	mu       sync.RWMutex
	silences map[string]job.Silence
	windows  []Window
}

// SetSilence takes in a silence or its change.
func (q *Mutes) SetSilence(s job.Silence) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.silences == nil {
		q.silences = map[string]job.Silence{}
	}
	q.silences[s.ID] = s
}

// RemoveSilence takes in the removal of a silence.
func (q *Mutes) RemoveSilence(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.silences, id)
}

// SetWindows replaces the maintenance windows. One that cannot be read is left
// out; the error is that of the first.
func (q *Mutes) SetWindows(all []job.Maintenance) error {
	windows := make([]Window, 0, len(all))
	var first error
	for _, m := range all {
		w, err := NewWindow(m)
		if err == nil {
			windows = append(windows, w)
		} else if first == nil {
			first = err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.windows = windows
	return first
}

// Mute says what keeps a monitor quiet at a time: of several, what lasts
// longest.
func (q *Mutes) Active(incident *job.Incident, now time.Time) Mute {
	q.mu.RLock()
	defer q.mu.RUnlock()
	var hold Mute
	keep := func(kind MuteKind, by string, until time.Time) {
		if hold.Kind == "" || until.After(hold.Until) {
			hold = Mute{Kind: kind, By: by, Until: CeilSecond(until)}
		}
	}
	for id, silence := range q.silences {
		if silence.Active(now) && silence.Match.Matches(incident.Monitor, incident.Group, incident.Labels) {
			keep(MuteSilence, id, silence.Ends)
		}
	}
	for i := range q.windows {
		w := &q.windows[i]
		if !w.Match.Matches(incident.Monitor, incident.Group, incident.Labels) {
			continue
		}
		if until, open := w.Active(now); open {
			keep(MuteMaintenance, w.Name, until)
		}
	}
	return hold
}

// Silences returns those that are known, by id.
func (q *Mutes) Silences() []job.Silence {
	q.mu.RLock()
	defer q.mu.RUnlock()
	all := make([]job.Silence, 0, len(q.silences))
	for _, s := range q.silences {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b job.Silence) int { return a.Starts.Compare(b.Starts) })
	return all
}

// OpenWindows returns the maintenance windows that are open at a time.
func (q *Mutes) OpenWindows(now time.Time) []Mute {
	q.mu.RLock()
	defer q.mu.RUnlock()
	var open []Mute
	for i := range q.windows {
		if until, is := q.windows[i].Active(now); is {
			open = append(open, Mute{Kind: MuteMaintenance, By: q.windows[i].Name, Until: until})
		}
	}
	return open
}
