package web

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// MonitorTable holds the definitions, states and last results that the status
// page shows. It is safe for concurrent use.
//
// It stores only what is shown. Whole definitions, states and last results took
// a kilobyte per monitor, too much for a million. The text of an entry is the
// monitor's target.
type MonitorTable struct {
	mu        sync.RWMutex
	entries   compact.Map[entry]
	states    map[string]*job.State       // except those that only contain an up time
	locations map[string][]locationResult // for monitors with several locations
	faults    map[string]fault            // from last results with a class or cause
}

type entry struct {
	slot    uint32 // of the last result, in seconds, until 2106; zero before the first
	latency uint32 // in microseconds, an hour at most
	missed  int32
	since   uint32 // when it came up; zero if there is a state
	health  monitorHealth
	defined bool
	paused  bool
}

// fault is the problem in a result.
type fault struct {
	class job.Class
	cause string
}

// monitorHealth is the health in the last result.
type monitorHealth uint8

const (
	unchecked monitorHealth = iota
	up
	degraded
	other
)

func healthOf(h job.Health) monitorHealth {
	switch h {
	case job.Up:
		return up
	case job.Degraded:
		return degraded
	default:
		return other
	}
}

// NewMonitorTable returns an empty table.
func NewMonitorTable() *MonitorTable {
	return &MonitorTable{states: map[string]*job.State{}, locations: map[string][]locationResult{}, faults: map[string]fault{}}
}

// entry returns the entry for a monitor, and adds it if needed.
func (t *MonitorTable) entry(name string) *entry {
	id, ok := t.entries.Find(name)
	if !ok {
		id = t.entries.Put(name, nil)
	}
	return t.entries.Value(id)
}

// Define adds or changes a monitor.
func (t *MonitorTable) Define(m job.Monitor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries.Value(t.entries.Put(m.Name, []byte(m.Target())))
	e.paused, e.defined = m.Paused, true
	t.setLocations(&m)
}

// Undefine removes a monitor.
func (t *MonitorTable) Undefine(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries.Delete(name)
	delete(t.states, name)
	delete(t.faults, name)
	delete(t.locations, name)
}

// SetState sets a monitor's state.
func (t *MonitorTable) SetState(s job.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Health != job.Up || s.Removed || len(s.Open()) > 0 || len(s.Locations) > 0 {
		t.states[s.Monitor] = &s
		if id, ok := t.entries.Find(s.Monitor); ok {
			t.entries.Value(id).since = 0
		}
		return
	}
	delete(t.states, s.Monitor)
	t.entry(s.Monitor).since = uint32(max(upTimeUnknown, s.Since.Unix())) //nolint:gosec // until 2106
}

// upTimeUnknown is the up time for a state without one.
const upTimeUnknown = 1

// maxAhead is how far the slot of a result may be ahead of this process's clock. A
// later one is from before the clock was set back.
const maxAhead = 5 * time.Second

// replaces reports whether a result with a slot is newer than the last one.
func replaces(slot, last time.Time) bool {
	return slot.After(last) || time.Until(last) > maxAhead
}

// AddResult adds a check result or a miss. Results older than the last one are
// ignored.
func (t *MonitorTable) AddResult(result job.Result) {
	if result.Monitor == "" {
		return // of an ad-hoc check
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entry(result.Monitor)
	switch slot := uint32(result.Slot.Unix()); { //nolint:gosec // until 2106
	case result.Miss != nil && result.Miss.Reason == job.MissClockSet: // these slots never came
	case result.Miss != nil:
		e.missed = int32(min(int64(e.missed)+int64(result.Miss.Count), math.MaxInt32)) //nolint:gosec // limited
	case result.ProbeResult != nil && replaces(result.Slot, time.Unix(int64(e.slot), 0)):
		e.slot, e.health = slot, healthOf(result.ProbeResult.Health)
		e.latency = uint32(min(result.ProbeResult.Latency.Std().Microseconds(), math.MaxUint32)) //nolint:gosec // limited
		t.setFault(result.Monitor, result.ProbeResult)
	}
	t.addLocationResult(&result)
}

func (t *MonitorTable) setFault(name string, r *job.ProbeResult) {
	if r.Class != "" || r.Cause != "" {
		t.faults[name] = fault{class: r.Class, cause: r.Cause}
	} else {
		delete(t.faults, name)
	}
}

// row returns the row for an entry.
func (t *MonitorTable) row(id compact.ID) Row {
	e, name := t.entries.Value(id), string(t.entries.Name(id))
	state := t.states[name]
	row := Row{
		Name: name, Target: string(t.entries.Text(id)), Health: e.shownHealth(state), Flags: e.flags(state),
		Latency: job.Duration(time.Duration(e.latency) * time.Microsecond), MissedSlots: int(e.missed),
		Class: t.faults[name].class, Cause: t.faults[name].cause,
	}
	if e.slot != 0 {
		row.Checked = time.Unix(int64(e.slot), 0).UTC()
	}
	if results := t.locations[name]; results != nil {
		row.addVotes(results, state)
	}
	if e.since > upTimeUnknown {
		row.Since = time.Unix(int64(e.since), 0).UTC()
	}
	if state == nil {
		return row
	}
	if !state.Removed {
		row.Since = state.Since
	}
	if state.Incident != nil {
		row.Class, row.Cause = state.Incident.ProbeResult.Class, state.Incident.ProbeResult.Cause
	}
	return row
}

// flags returns the open conditions except down, which is the health.
func (e *entry) flags(state *job.State) []string {
	var flags []string
	if state != nil && !state.Removed {
		for _, incident := range state.Open() {
			if incident.Condition != "" && incident.Condition != job.ConditionDown && !incident.OfOneLocation() {
				flags = append(flags, string(incident.Condition))
			}
		}
	}
	if e.paused {
		flags = append(flags, "paused")
	}
	return flags
}

// shownHealth returns the evaluated health if there is a state. A monitor that
// has always been up has none, and is pending until its first result.
func (e *entry) shownHealth(state *job.State) job.Health {
	switch {
	case state != nil && state.Health == job.Down && !state.Removed:
		return job.Down
	case e.health == unchecked:
		return job.Pending
	case e.health == degraded:
		return job.Degraded
	case e.health == up, e.since != 0, state != nil && state.Health == job.Up:
		return job.Up
	default:
		return job.Pending // it fails, but not often enough to be down
	}
}

// Row is a monitor on the status page and in its JSON.
type Row struct {
	Name   string     `json:"name"`
	Target string     `json:"target"`
	Health job.Health `json:"health"`
	// Flags are open conditions and properties such as no_data, flapping, degraded
	// or paused.
	Flags []string `json:"flags,omitempty"`
	// Locations are the votes of several locations.
	Locations []job.Vote `json:"locations,omitempty"`
	// Since is when the health began, zero if it has never changed.
	Since time.Time `json:"since,omitzero"`
	// Class and Cause describe the failure.
	Class job.Class `json:"class,omitempty"`
	Cause string    `json:"cause,omitempty"`
	// Checked is the slot of the last result, Latency its duration.
	Checked time.Time    `json:"checked,omitzero"`
	Latency job.Duration `json:"latency,omitempty"`
	// MissedSlots counts slots without a check, from one day before the process
	// started.
	MissedSlots int `json:"missed_slots,omitempty"`
}

// Rows returns all defined monitors, the most urgent first, then by name.
func (t *MonitorTable) Rows() []Row {
	t.mu.RLock()
	defer t.mu.RUnlock()
	rows := make([]Row, 0, t.entries.Len())
	t.entries.All(func(id compact.ID) bool {
		if t.entries.Value(id).defined {
			rows = append(rows, t.row(id))
		}
		return true
	})
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), cmp.Compare(a.Name, b.Name))
	})
	return rows
}

// urgency is lower for more urgent rows.
func urgency(r Row) int {
	order := slices.Index([]job.Health{job.Down, job.Degraded, job.Unknown, job.Pending, job.Up}, r.Health)
	if r.Health != job.Down && slices.Contains(r.Flags, string(job.ConditionNoData)) {
		return 1 // like degraded
	}
	return order
}
