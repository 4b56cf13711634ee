package evaluate

import (
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
	if reason == job.MissPaused || !last.After(state.Slot) || !last.After(state.LastUp) || !last.After(state.LastMissed) {
		return
	}
	s.initialize()
	state.MissedSlots, state.LastMissed = min(state.MissedSlots+max(1, m.Count), maxMisses), last
	if state.NoData != nil {
		return
	}
	s.Write = true
	if !s.lacksData(last) || recordedLater(reason) && s.before.MissedSlots == 0 {
		return
	}
	incident := s.newIncident(job.ConditionNoData, s.firstMissed(last))
	incident.Reason, incident.Detail, incident.Notify, incident.Recent = reason, m.Detail, nil, nil
	s.begin(&state.NoData, incident)
}

// recordedLater reports whether a reason is recorded for all monitors after a gap,
// which the scheduler reports to the operators once. Only slots missed after it
// make no data.
func recordedLater(reason job.MissReason) bool {
	return reason == job.MissLate || reason == job.MissBrokerDown
}

// lastResult is the newest slot with a result, zero for none.
func (s *step) lastResult() time.Time {
	if s.State.LastUp.After(s.State.Slot) {
		return s.State.LastUp
	}
	return s.State.Slot
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
