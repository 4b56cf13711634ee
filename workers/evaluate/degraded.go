package evaluate

import (
	"vedette/pipeline/job"
)

// evaluateDegraded evaluates a success, which may begin or end degraded.
func (s *step) evaluateDegraded() {
	if s.result.ProbeResult.Health == job.Degraded {
		s.countDegraded()
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
		s.addSample()
	}
	state.Slot, s.Write = s.result.Slot, true
	if state.OKStreak < max(1, s.m.SuccessThreshold) || state.Degraded == nil {
		return
	}
	state.DegradedStreak, state.OKStreak = 0, 0
	s.end(&state.Degraded)
}

// countDegraded evaluates a degraded result.
func (s *step) countDegraded() {
	state := &s.State
	if state.Degraded != nil {
		s.Write = s.Write || state.OKStreak > 0
		state.Slot, state.OKStreak = s.result.Slot, 0
		return
	}
	s.Write = true
	state.Slot = s.result.Slot
	state.DegradedStreak++
	s.addSample()
	if state.DegradedStreak < max(1, s.m.FailureThreshold) {
		return
	}
	incident := s.newIncident(job.ConditionDegraded, s.result.Slot)
	incident.Failures = state.DegradedStreak
	state.DegradedStreak, state.OKStreak = 0, 0
	s.begin(&state.Degraded, incident)
}
