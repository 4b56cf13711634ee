package evaluate

import (
	"vedette/pipeline/job"
)

// degrade judges a success: whether the monitor is degraded, or well again.
func (s *step) degrade() {
	if s.result.Outcome.Health == job.Degraded {
		s.warned()
		return
	}
	state := &s.State
	switch {
	case state.Degraded == nil && state.Warnings == 0:
		return
	case state.Degraded == nil:
		state.Warnings = 0
	default:
		state.Wells++
		s.sample()
	}
	state.Slot, s.Write = s.result.Slot, true
	if state.Wells < max(1, s.m.SuccessThreshold) || state.Degraded == nil {
		return
	}
	incident := *state.Degraded
	state.Degraded, state.Warnings, state.Wells = nil, 0, 0
	s.record(job.EventWell, incident, s.result.Outcome)
}

// warned judges a degraded result.
func (s *step) warned() {
	state := &s.State
	if state.Degraded != nil {
		s.Write = s.Write || state.Wells > 0
		state.Slot, state.Wells = s.result.Slot, 0
		return
	}
	s.Write = true
	state.Slot = s.result.Slot
	state.Warnings++
	s.sample()
	if state.Warnings < max(1, s.m.FailureThreshold) {
		return
	}
	incident := s.incident(job.ConditionDegraded, s.result.Slot)
	incident.Failures = state.Warnings
	state.Degraded, state.Warnings, state.Wells = &incident, 0, 0
	s.record(job.EventDegraded, incident, nil)
}
