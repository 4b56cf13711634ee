package notify

import (
	"slices"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Mutes holds the silences and the maintenance windows. It is safe for
// concurrent use; its zero value holds none.
type Mutes struct {
	mu       sync.RWMutex
	silences map[string]job.Silence
	windows  []Window
}

// SetSilence adds or replaces a silence.
func (m *Mutes) SetSilence(s job.Silence) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.silences == nil {
		m.silences = map[string]job.Silence{}
	}
	m.silences[s.ID] = s
}

// RemoveSilence removes a silence.
func (m *Mutes) RemoveSilence(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.silences, id)
}

// SetWindows replaces the maintenance windows. Windows that cannot be read are
// left out; the error is the first one's.
func (m *Mutes) SetWindows(all []job.Maintenance) error {
	windows := make([]Window, 0, len(all))
	var first error
	for _, definition := range all {
		w, err := NewWindow(definition)
		if err == nil {
			windows = append(windows, w)
		} else if first == nil {
			first = err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.windows = windows
	return first
}

// Active returns what mutes a monitor at a time: the silence or window that ends
// last.
func (m *Mutes) Active(incident *job.Incident, now time.Time) Mute {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var mute Mute
	keep := func(kind MuteKind, by string, until time.Time) {
		if mute.Kind == "" || until.After(mute.Until) {
			mute = Mute{Kind: kind, By: by, Until: CeilSecond(until)}
		}
	}
	for id, silence := range m.silences {
		if silence.Active(now) && silence.Match.Matches(incident.Monitor, incident.Group, incident.Labels) {
			keep(MuteSilence, id, silence.Ends)
		}
	}
	for i := range m.windows {
		w := &m.windows[i]
		if !w.Match.Matches(incident.Monitor, incident.Group, incident.Labels) {
			continue
		}
		if until, open := w.Active(now); open {
			keep(MuteMaintenance, w.Name, until)
		}
	}
	return mute
}

// ActiveSilences returns the silences in effect at a time, the earliest first.
func (m *Mutes) ActiveSilences(now time.Time) []job.Silence {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var active []job.Silence
	for _, s := range m.silences {
		if s.Active(now) {
			active = append(active, s)
		}
	}
	slices.SortFunc(active, func(a, b job.Silence) int { return a.Starts.Compare(b.Starts) })
	return active
}

// OpenWindows returns the maintenance windows that are open at a time.
func (m *Mutes) OpenWindows(now time.Time) []Mute {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var open []Mute
	for i := range m.windows {
		if until, is := m.windows[i].Active(now); is {
			open = append(open, Mute{Kind: MuteMaintenance, By: m.windows[i].Name, Until: until})
		}
	}
	return open
}
