package evaluate

import (
	"math"
	"sync"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// stripe is a part of an evaluator's memory. A monitor that was always up has no
// state, only its last slot. Definitions are read only when something is wrong, so
// they stay encoded, and what they have in common is kept once in a template. A
// monitor costs about 80 bytes, without pointers for the garbage collector.
type stripe struct {
	mu         sync.Mutex
	monitors   compact.Map[record]
	templates  compact.Templates
	states     map[string]*job.State // without plain ones, which are read when they matter
	profileIDs map[profile]uint32    // places in profiles
	profiles   []profile             // the first means none
	lastUps    compact.Map[int64]    // last slots up for monitors with several locations, by monitor and location
}

// record is what the fast path needs about a monitor.
type record struct {
	lastUp   int64  // last slot up, in seconds; newer than the state's. Zero for none, and with several locations
	revision uint64 // of the stored state; zero for none
	profile  uint32 // in profiles; zero while the monitor is not defined
	template uint32 // for its definition
}

// profile is shared by many monitors.
type profile struct {
	period        time.Duration
	alert         time.Duration // the earliest certificate alert
	multiLocation bool          // each location has its own last slot up
}

// entry is a monitor in its stripe, valid while that is locked.
type entry struct {
	*record

	stripe *stripe
	id     compact.ID
	name   string
}

// find returns a monitor, and whether it exists.
func (s *stripe) find(name string) (entry, bool) {
	id, ok := s.monitors.Find(name)
	if !ok {
		return entry{}, false
	}
	return s.at(id, name), true
}

// locationID is the place of a location's last slot up.
func (s *stripe) locationID(monitor, location string) compact.ID {
	name := job.LocationName(monitor, location)
	if id, ok := s.lastUps.Find(name); ok {
		return id
	}
	return s.lastUps.Put(name, nil)
}

func (s *stripe) at(id compact.ID, name string) entry {
	return entry{record: s.monitors.Value(id), stripe: s, id: id, name: name}
}

// ensure returns a monitor, and creates it if it does not exist.
func (s *stripe) ensure(name string) entry {
	if k, ok := s.find(name); ok {
		return k
	}
	return s.at(s.monitors.Put(name, nil), name)
}

// define stores a monitor's encoded definition.
func (s *stripe) define(m *job.Monitor, own profile, encoded []byte) {
	rest, template := s.templates.Split(encoded, m.Name, m.Target())
	k := s.at(s.monitors.Put(m.Name, rest), m.Name)
	k.template, k.profile = template, s.profileID(own)
}

// profileID is the place of a profile.
func (s *stripe) profileID(own profile) uint32 {
	at, ok := s.profileIDs[own]
	if !ok {
		at = uint32(len(s.profiles)) //nolint:gosec // a few exist
		s.profiles, s.profileIDs[own] = append(s.profiles, own), at
	}
	return at
}

func (k entry) defined() bool { return k.profile != 0 }

func (k entry) undefine() { k.profile = 0 }

func (k entry) forget() {
	monitor := k.monitor()
	for _, location := range monitor.Locations {
		k.stripe.lastUps.Delete(job.LocationName(k.name, location))
	}
	k.stripe.monitors.Delete(k.name)
	delete(k.stripe.states, k.name)
}

// monitor decodes the definition.
func (k entry) monitor() Monitor {
	m, err := job.Decode[job.Monitor](k.stripe.templates.AppendText(nil, []byte(k.name), k.stripe.monitors.Text(k.id), k.template))
	if err != nil {
		m = job.Monitor{Name: k.name} // not possible: the definition was encoded here
	}
	return Monitor{Monitor: m, Period: k.stripe.profiles[k.profile].period}
}

// state is nil for a monitor without a state, or with a plain one.
func (k entry) state() *job.State { return k.stripe.states[k.name] }

// setState remembers a stored state. Plain states are not kept: after an outage
// every monitor has one, and a million of them would take a gigabyte for good.
func (k entry) setState(state job.State, revision uint64) {
	k.revision = revision
	if !isSettled(&state) || state.Certificate != nil || len(state.Locations) > 0 {
		k.stripe.states[k.name] = &state
		return
	}
	delete(k.stripe.states, k.name)
	if !state.LastUp.IsZero() {
		k.lastUp = max(k.lastUp, state.LastUp.Unix())
	}
}

// earliestAlert is the longest time before a certificate's end with an alert, and
// less than any time without alerts.
func earliestAlert(p job.Policy) time.Duration {
	earliest := time.Duration(math.MinInt64)
	for _, alert := range alertThresholds(p) {
		earliest = max(earliest, alert.Std())
	}
	return earliest
}
