package evaluate

import (
	"vedette/pipeline/job"
)

// degrade judges a success: whether the monitor is degraded, or well again.
func (s *step) degrade() {
	if s.result.ProbeResult.Health == job.Degraded {
		s.warned()
		return
	}
	state := &s.State
	switch {
	case state.Degraded == nil && state.DegradedStreak == 0:
		return
	case state.Degraded == nil:
		state.DegradedStreak = 0
	default:
		state.OKStreak++
		s.sample()
	}
	state.Slot, s.Write = s.result.Slot, true
	if state.OKStreak < max(1, s.m.SuccessThreshold) || state.Degraded == nil {
		return
	}
	incident := *state.Degraded
	state.Degraded, state.DegradedStreak, state.OKStreak = nil, 0, 0
	s.record(job.EventEnded, incident, s.result.ProbeResult)
}

// warned judges a degraded result.
func (s *step) warned() {
	state := &s.State
	if state.Degraded != nil {
		s.Write = s.Write || state.OKStreak > 0
		state.Slot, state.OKStreak = s.result.Slot, 0
		return
	}
	s.Write = true
	state.Slot = s.result.Slot
	state.DegradedStreak++
	s.sample()
	if state.DegradedStreak < max(1, s.m.FailureThreshold) {
		return
	}
	incident := s.incident(job.ConditionDegraded, s.result.Slot)
	incident.Failures = state.DegradedStreak
	state.Degraded, state.DegradedStreak, state.OKStreak = &incident, 0, 0
	s.record(job.EventBegan, incident, nil)
}
