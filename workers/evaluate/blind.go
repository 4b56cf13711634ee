package evaluate

import (
	"time"

	"vedette/pipeline/job"
)

const (
	// blindSlots is for how many slots there must be no result.
	blindSlots = 3
	// blindMisses is how many of them must be recorded as missed, which is one
	// less: the check of the first may be what the others wait for.
	blindMisses = blindSlots - 1
	// maxMisses bounds the count; more tell nothing more.
	maxMisses = 1 << 20
)

// unknown judges a result that says nothing of its target.
func (s *step) unknown() {
	s.miss(&job.Miss{Reason: job.MissCheckFailed, Detail: s.result.ProbeResult.Cause, Count: 1, Last: s.result.Slot})
}

// miss judges slots without a result. Nobody is down because we did not look.
func (s *step) miss(m *job.Miss) {
	state, reason, last := &s.State, m.Reason, m.Last
	if reason == job.MissPaused || !last.After(state.Slot) || !last.After(state.LastUp) || !last.After(state.LastMissed) {
		return
	}
	s.begin()
	state.MissedSlots, state.LastMissed = min(state.MissedSlots+max(1, m.Count), maxMisses), last
	if state.NoData != nil {
		return
	}
	s.Write = true
	if !s.blind(last) || afterwards(reason) && s.before.MissedSlots == 0 {
		return
	}
	incident := s.incident(job.ConditionNoData, s.firstMissed(last))
	incident.Reason, incident.Detail, incident.Notify, incident.Recent = reason, m.Detail, nil, nil
	state.NoData = &incident
	s.record(job.EventBegan, incident, nil)
}

// afterwards tells whether a reason is one that is recorded for all monitors
// when a gap is over, of which the scheduler tells the operators once. Only what
// is missed after it makes a monitor blind.
func afterwards(reason job.MissReason) bool {
	return reason == job.MissLate || reason == job.MissBrokerDown
}

// known is the newest slot with a result, zero when there never was one.
func (s *step) known() time.Time {
	if s.State.LastUp.After(s.State.Slot) {
		return s.State.LastUp
	}
	return s.State.Slot
}

func (s *step) blind(last time.Time) bool {
	known := s.known()
	long := !known.IsZero() && last.Sub(known) >= blindSlots*s.m.Period
	return s.State.MissedSlots >= blindSlots || s.State.MissedSlots >= blindMisses && long
}

// firstMissed is the slot from which on there was no result.
func (s *step) firstMissed(last time.Time) time.Time {
	if known := s.known(); !known.IsZero() {
		return known.Add(s.m.Period)
	}
	return last.Add(-time.Duration(s.State.MissedSlots-1) * s.m.Period)
}

// seen ends blindness: there is a result.
func (s *step) seen() {
	state := &s.State
	if state.MissedSlots == 0 && state.NoData == nil {
		return
	}
	s.Write = true
	state.MissedSlots, state.LastMissed = 0, time.Time{}
	state.Slot = s.result.Slot
	if state.NoData == nil {
		return
	}
	incident := *state.NoData
	state.NoData = nil
	s.record(job.EventEnded, incident, s.result.ProbeResult)
}
