package evaluate

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

const (
	// noDataSlots is how many slots without a result are missing data.
	noDataSlots = 3
	// noDataMisses is how many of them must be recorded as missed: one less,
	// since the others may wait for the check of the first.
	noDataMisses = noDataSlots - 1
	// maxMisses limits the count.
	maxMisses = 1 << 20
)

// miss evaluates slots without a result. They make no monitor down.
func (s *step) miss(m *job.Miss) {
	state, reason, last := &s.State, m.Reason, m.Last
	if reason == job.MissPaused || !last.After(state.Slot) || !last.After(state.LastUp) || !last.After(state.LastMissed) || !last.After(state.AwayUntil) {
		return
	}
	if ownAbsence(reason) {
		s.beAway(m)
		return
	}
	s.initialize()
	state.MissedSlots, state.LastMissed = min(state.MissedSlots+max(1, m.Count), maxMisses), last
	if state.NoData != nil {
		return
	}
	s.Write = true
	if !s.lacksData(last) || reason == job.MissLate && s.before.MissedSlots == 0 {
		return
	}
	incident := s.newIncident(job.ConditionNoData, s.firstMissed(last))
	incident.Reason, incident.Detail, incident.Notify, incident.Recent = reason, m.Detail, nil, nil
	s.begin(&state.NoData, incident)
}

// ownAbsence reports whether slots were missed because Vedette itself was away, or
// the clock was set over them. The scheduler records them for all monitors
// afterwards, and the operators are notified once.
func ownAbsence(reason job.MissReason) bool {
	return reason == job.MissNoProcess || reason == job.MissBrokerDown || reason == job.MissClockSet
}

// beAway skips slots in which Vedette was away: they neither count as missed nor make
// transitions older. It writes only if that changes what is stored for the monitor,
// so that a restart with a million healthy monitors writes nothing.
func (s *step) beAway(m *job.Miss) {
	state := &s.State
	state.AwayUntil = m.Last
	if len(state.Transitions) > 0 {
		state.Transitions = slices.Clone(state.Transitions)
		for i := range state.Transitions {
			state.Transitions[i] += int64(max(1, m.Count)) * int64(s.m.Period/time.Second)
		}
	}
	s.Write = s.Write || s.stored
}

// lastResult is the newest slot with a result, or the end of the time in which Vedette
// was away; zero for neither.
func (s *step) lastResult() time.Time {
	return slices.MaxFunc([]time.Time{s.State.Slot, s.State.LastUp, s.State.AwayUntil}, time.Time.Compare)
}

func (s *step) lacksData(last time.Time) bool {
	result := s.lastResult()
	long := !result.IsZero() && last.Sub(result) >= noDataSlots*s.m.Period
	return s.State.MissedSlots >= noDataSlots || s.State.MissedSlots >= noDataMisses && long
}

// firstMissed is the first slot without a result.
func (s *step) firstMissed(last time.Time) time.Time {
	if result := s.lastResult(); !result.IsZero() {
		return result.Add(s.m.Period)
	}
	return last.Add(-time.Duration(s.State.MissedSlots-1) * s.m.Period)
}

// dataAgain ends missing data, since there is a result.
func (s *step) dataAgain() {
	state := &s.State
	if state.MissedSlots == 0 && state.NoData == nil {
		return
	}
	s.Write = true
	state.MissedSlots, state.LastMissed = 0, time.Time{}
	state.Slot = s.result.Slot
	if state.NoData != nil {
		s.end(&state.NoData)
	}
}
