// Package statuspage shows what Vedette knows: an overview for people, the
// same as JSON, and the two questions that machines ask, /healthz (is the
// process alive?) and /readyz (does it do its work?).
package statuspage

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// Board is what the page shows: definitions, states and last results, fed by
// whoever follows them. It is safe for concurrent use.
//
// It keeps what is shown of a monitor, and no more: with the whole definition,
// state and last result it took a kilobyte, of which a million monitors are too
// many. The text of a row is its target.
type Board struct {
	mu     sync.RWMutex
	rows   compact.Map[row]
	states map[string]*job.State // of those that have one that tells more than since when they are up
	places map[string][]place    // of those that have several locations
	faults map[string]fault      // of those whose last result was not simply good
}

type row struct {
	slot    uint32 // of the last result, in seconds, until 2106; zero before the first
	latency uint32 // in microseconds, an hour at most
	missed  int32
	since   uint32 // when it came up, as its state has it; zero when that is elsewhere
	health  health
	defined bool
	paused  bool
}

// fault is what was wrong.
type fault struct {
	class job.Class
	cause string
}

// health is that of the last result.
type health uint8

const (
	unchecked health = iota
	up
	degraded
	other
)

func healthOf(h job.Health) health {
	switch h {
	case job.Up:
		return up
	case job.Degraded:
		return degraded
	case job.Down, job.Unknown, job.Pending:
		return other
	default:
		return other
	}
}

// NewBoard returns an empty board.
func NewBoard() *Board {
	return &Board{states: map[string]*job.State{}, places: map[string][]place{}, faults: map[string]fault{}}
}

// row is that of a monitor, which may be a new one.
func (b *Board) row(name string) *row {
	id, ok := b.rows.Find(name)
	if !ok {
		id = b.rows.Put(name, nil)
	}
	return b.rows.Value(id)
}

// Define takes in a definition or its change.
func (b *Board) Define(m job.Monitor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rows.Value(b.rows.Put(m.Name, []byte(m.Target())))
	r.paused, r.defined = m.Paused, true
	b.seat(&m)
}

// Undefine takes in the removal of a monitor.
func (b *Board) Undefine(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows.Delete(name)
	delete(b.states, name)
	delete(b.faults, name)
	delete(b.places, name)
}

// State takes in a monitor's state.
func (b *Board) State(s job.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.Health != job.Up || s.Removed || len(s.Open()) > 0 || len(s.Locations) > 0 {
		b.states[s.Monitor] = &s
		if id, ok := b.rows.Find(s.Monitor); ok {
			b.rows.Value(id).since = 0
		}
		return
	}
	delete(b.states, s.Monitor)
	b.row(s.Monitor).since = uint32(max(upSome, s.Since.Unix())) //nolint:gosec // see there
}

// upSome is the time since when a monitor is up whose state does not say it.
const upSome = 1

// Result takes in the result of a check, or a miss; an older one than the last
// counts only as missed.
func (b *Board) Result(result job.Result) {
	if result.Monitor == "" {
		return // somebody ordered it; it belongs to no monitor
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.row(result.Monitor)
	switch slot := uint32(result.Slot.Unix()); { //nolint:gosec // see there
	case result.Miss != nil:
		r.missed = int32(min(int64(r.missed)+int64(result.Miss.Count), math.MaxInt32)) //nolint:gosec // not above
	case slot > r.slot && result.ProbeResult != nil:
		r.slot, r.health = slot, healthOf(result.ProbeResult.Health)
		r.latency = uint32(min(result.ProbeResult.Latency.Std().Microseconds(), math.MaxUint32)) //nolint:gosec // not above
		b.note(result.Monitor, result.ProbeResult)
	}
	b.notePlace(&result)
}

// note keeps what was wrong.
func (b *Board) note(name string, o *job.ProbeResult) {
	if o.Class != "" || o.Cause != "" {
		b.faults[name] = fault{class: o.Class, cause: o.Cause}
	} else {
		delete(b.faults, name)
	}
}

// Row is one monitor as the page and the JSON show it.
type Row struct {
	Name   string     `json:"name"`
	Target string     `json:"target"`
	Health job.Health `json:"health"`
	// Flags are what it is beside that: blind, flapping, degraded, paused.
	Flags []string `json:"flags,omitempty"`
	// Locations are what each of several locations finds.
	Locations []job.Vote `json:"locations,omitempty"`
	// Since is when the health began; zero when it was always so.
	Since time.Time `json:"since,omitzero"`
	// Cause and Class say why it is down.
	Class job.Class `json:"class,omitempty"`
	Cause string    `json:"cause,omitempty"`
	// Checked is the slot of the last result, Latency how long that took.
	Checked time.Time    `json:"checked,omitzero"`
	Latency job.Duration `json:"latency,omitempty"`
	// Missed counts the slots without a check, since a day before the process
	// that shows it was started.
	Missed int `json:"missed,omitempty"`
}

// Rows returns every defined monitor: what is down first, then what is not
// known, then by name.
func (b *Board) Rows() []Row {
	b.mu.RLock()
	defer b.mu.RUnlock()
	rows := make([]Row, 0, b.rows.Len())
	b.rows.All(func(id compact.ID) bool {
		if b.rows.Value(id).defined {
			rows = append(rows, b.show(id))
		}
		return true
	})
	slices.SortFunc(rows, func(a, c Row) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(c)), cmp.Compare(a.Name, c.Name))
	})
	return rows
}

// urgency is less the sooner somebody should look.
func urgency(r Row) int {
	order := slices.Index([]job.Health{job.Down, job.Degraded, job.Unknown, job.Pending, job.Up}, r.Health)
	if r.Health != job.Down && slices.Contains(r.Flags, string(job.ConditionNoData)) {
		return 1 // as what is degraded: nobody knows
	}
	return order
}

func (b *Board) show(id compact.ID) Row {
	r, name := b.rows.Value(id), string(b.rows.Name(id))
	state := b.states[name]
	shown := Row{
		Name: name, Target: string(b.rows.Text(id)), Health: r.shownHealth(state), Flags: r.flags(state), Latency: job.Duration(time.Duration(r.latency) * time.Microsecond), Missed: int(r.missed),
		Class: b.faults[name].class, Cause: b.faults[name].cause,
	}
	if r.slot != 0 {
		shown.Checked = time.Unix(int64(r.slot), 0).UTC()
	}
	if places := b.places[name]; places != nil {
		shown.vote(places, state)
	}
	if r.since > upSome {
		shown.Since = time.Unix(int64(r.since), 0).UTC()
	}
	if state == nil {
		return shown
	}
	if !state.Removed {
		shown.Since = state.Since
	}
	if state.Incident != nil {
		shown.Class, shown.Cause = state.Incident.ProbeResult.Class, state.Incident.ProbeResult.Cause
	}
	return shown
}

// flags are the conditions that the monitor is in, but for the one that its
// health tells.
func (r *row) flags(state *job.State) []string {
	var flags []string
	if state != nil && !state.Removed {
		for _, incident := range state.Open() {
			if incident.Condition != "" && incident.Condition != job.ConditionDown && !incident.OfOneLocation() {
				flags = append(flags, string(incident.Condition))
			}
		}
	}
	if r.paused {
		flags = append(flags, "paused")
	}
	return flags
}

// shownHealth is the judged one, where there is one: a monitor that was never
// anything but up has no state, and is pending until its first result.
func (r *row) shownHealth(state *job.State) job.Health {
	switch {
	case state != nil && state.Health == job.Down && !state.Removed:
		return job.Down
	case r.health == unchecked:
		return job.Pending
	case r.health == degraded:
		return job.Degraded
	case r.health == up, r.since != 0, state != nil && state.Health == job.Up:
		return job.Up
	default:
		return job.Pending // it fails, but not yet often enough to be down
	}
}
