package evaluate

import (
	"time"

	"vedette/pipeline/job"
)

const (
	// causePause and causeSlots are the least time between two writes for a
	// cause that keeps changing: causes may hold port numbers or times.
	causePause = time.Minute
	causeSlots = 5
)

// noteCause keeps a failure whose cause differs from the one known so far, so
// that reminders can say what is wrong now.
func (s *step) noteCause() {
	state, result := &s.State, s.result.ProbeResult
	if state.Incident == nil {
		return
	}
	known := &state.Incident.ProbeResult
	if last := state.LatestFailure; last != nil {
		known = &last.ProbeResult
		if s.result.Slot.Sub(last.Slot) < max(causePause, causeSlots*s.m.Period) {
			return
		}
	}
	if known.Class == result.Class && known.Cause == result.Cause {
		return
	}
	state.LatestFailure = &job.LatestFailure{Slot: s.result.Slot, ProbeResult: *result}
	s.addSample()
	s.Write = true
}
