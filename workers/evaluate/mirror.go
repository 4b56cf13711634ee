package evaluate

import (
	"math"
	"sync"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// stripe is a part of what an evaluator knows. Of a monitor that was never
// anything but up there is no state, only the last good slot. Its definition is
// looked at only when something is wrong, so it stays encoded, and what it has in
// common with others is kept once, as its template: the text of an entry is its
// target. Some 80 bytes in all are what a monitor costs, and none of them is the
// garbage collector's affair.
type stripe struct {
	mu        sync.Mutex
	monitors  compact.Map[mirror]
	templates compact.Templates
	states    map[string]*job.State // but those that tell nothing, which are read when one matters
	known     map[rhythm]uint32     // where in rhythms they are
	rhythms   []rhythm              // the first stands for none
	places    compact.Map[int64]    // last good slots of monitors with several locations, by monitor and location
}

// mirror is what good results need of a monitor.
type mirror struct {
	lastGood int64  // seconds; zero when none is known, or it votes. That of a state may be older.
	revision uint64 // of the state that is stored; zero when none is
	rhythm   uint32 // which of the stripe's; zero while the monitor is not defined
	template uint32 // of its definition
}

// rhythm is what many monitors have in common.
type rhythm struct {
	period time.Duration
	alert  time.Duration // the earliest that a certificate may be told of
	votes  bool          // of several locations, each of which has its own last good slot
}

// known is a monitor in its stripe, while that is locked.
type known struct {
	*mirror

	s    *stripe
	id   compact.ID
	name string
}

// find returns a monitor, and whether it is known.
func (s *stripe) find(name string) (known, bool) {
	id, ok := s.monitors.Find(name)
	if !ok {
		return known{}, false
	}
	return s.at(id, name), true
}

// place is where the last good slot of a location is.
func (s *stripe) place(monitor, location string) compact.ID {
	name := job.LocationName(monitor, location)
	if id, ok := s.places.Find(name); ok {
		return id
	}
	return s.places.Put(name, nil)
}

func (s *stripe) at(id compact.ID, name string) known {
	return known{mirror: s.monitors.Value(id), s: s, id: id, name: name}
}

// make returns a monitor, which may be a new one.
func (s *stripe) make(name string) known {
	if k, ok := s.find(name); ok {
		return k
	}
	return s.at(s.monitors.Put(name, nil), name)
}

// define gives a monitor its definition, encoded.
func (s *stripe) define(m *job.Monitor, own rhythm, encoded []byte) {
	rest, template := s.templates.Split(encoded, m.Name, m.Target())
	k := s.at(s.monitors.Put(m.Name, rest), m.Name)
	k.template, k.rhythm = template, s.shared(own)
}

// shared is where among the rhythms one is.
func (s *stripe) shared(own rhythm) uint32 {
	at, ok := s.known[own]
	if !ok {
		at = uint32(len(s.rhythms)) //nolint:gosec // a few
		s.rhythms, s.known[own] = append(s.rhythms, own), at
	}
	return at
}

func (k known) defined() bool { return k.rhythm != 0 }

func (k known) undefine() { k.rhythm = 0 }

func (k known) forget() {
	monitor := k.monitor()
	for _, location := range monitor.Locations {
		k.s.places.Delete(job.LocationName(k.name, location))
	}
	k.s.monitors.Delete(k.name)
	delete(k.s.states, k.name)
}

// monitor is the whole definition.
func (k known) monitor() Monitor {
	m, err := job.Decode[job.Monitor](k.s.templates.AppendText(nil, []byte(k.name), k.s.monitors.Text(k.id), k.template))
	if err != nil {
		m = job.Monitor{Name: k.name} // what we have encoded can be decoded
	}
	return Monitor{Monitor: m, Period: k.s.rhythms[k.rhythm].period}
}

// state is nil for a monitor that has none, or one that tells nothing.
func (k known) state() *job.State { return k.s.states[k.name] }

// setState takes in a state as it is stored. One that tells nothing is not kept:
// after an outage of ours every monitor has one, and a million of them would take
// a gigabyte for ever.
func (k known) setState(state job.State, revision uint64) {
	k.revision = revision
	if !quiet(&state) || state.Certificate != nil || len(state.Locations) > 0 {
		k.s.states[k.name] = &state
		return
	}
	delete(k.s.states, k.name)
	if !state.LastUp.IsZero() {
		k.lastGood = max(k.lastGood, state.LastUp.Unix())
	}
}

// earliestAlert is the longest time before its end that a certificate is told
// of; less than any time when it never is.
func earliestAlert(p job.Policy) time.Duration {
	earliest := time.Duration(math.MinInt64)
	for _, alert := range alertsOf(p) {
		earliest = max(earliest, alert.Std())
	}
	return earliest
}
