package evaluate

import (
	"math"
	"time"

	"vedette/pipeline/job"
)

// mirror is what an evaluator knows of a monitor. Of one that was never
// anything but up there is no state, only the last good slot: that is what a
// million monitors cost.
type mirror struct {
	definition

	lastGood int64 // seconds; zero when none is known. That of a state may be older.
	state    *stored
}

// stored is a state and its revision.
type stored struct {
	job.State

	revision uint64
}

// definition is that of a monitor, as good results need it. The rest is looked
// at only when something is wrong, so it stays encoded: that is a fifth of the
// memory.
type definition struct {
	encoded string // empty while the monitor is not defined
	period  time.Duration
	alert   time.Duration // the earliest that its certificate may be told of
}

func define(m job.Monitor, period time.Duration) (definition, error) {
	encoded, err := job.Encode(m)
	if err != nil {
		return definition{}, err
	}
	return definition{encoded: string(encoded), period: period, alert: earliestAlert(m.Policy)}, nil
}

func (d *definition) defined() bool { return d.encoded != "" }

// monitor is the whole definition.
func (d *definition) monitor() Monitor {
	m, err := job.Decode[job.Monitor]([]byte(d.encoded))
	if err != nil {
		return Monitor{Period: d.period} // what we have encoded can be decoded
	}
	return Monitor{Monitor: m, Period: d.period}
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

// revision is that of the state, zero without one.
func (m *mirror) revision() uint64 {
	if m.state == nil {
		return 0
	}
	return m.state.revision
}

// healthy tells whether a good result changes nothing that is stored.
func (m *mirror) healthy() bool { return m.state == nil || quiet(&m.state.State) }

// quiet tells whether a state waits for nothing, so that a good result adds
// nothing to it.
func quiet(s *job.State) bool {
	return s.Health == job.Up && s.Failures == 0 && s.Window == "" && s.Warnings == 0 && s.Misses == 0 &&
		s.Degraded == nil && s.Flapping == nil && s.Blind == nil
}

// passes tells whether a result of a healthy monitor is good, and later than
// what was judged, and has nothing to tell of a certificate.
func (m *mirror) passes(result *job.Result) bool {
	if result.Outcome == nil || result.Outcome.Health != job.Up || m.state != nil && !result.Slot.After(m.state.Slot) {
		return false
	}
	if m.state != nil && m.state.Certificate != nil {
		return false
	}
	expires := result.Outcome.CertificateExpires
	return expires.IsZero() || expires.Sub(result.Slot) > m.alert
}
