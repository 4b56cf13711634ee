package evaluate

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

// flappingSlots is how many slots count for flapping.
const flappingSlots = 20

// Weights of the newest and the oldest slot, after Nagios; their mean is 1.
const (
	newestWeight = 1.2
	oldestWeight = 0.8
)

// evaluateFlapping records a transition, and decides whether there are too many.
// Transitions are remembered by slot, so that the other results, which are most,
// need not be remembered.
func (s *step) evaluateFlapping(transition bool) {
	state := &s.State
	if transition {
		begin := s.result.Slot.Add(-flappingSlots * s.m.Period).Unix()
		transitions := slices.DeleteFunc(slices.Clone(state.Transitions), func(at int64) bool { return at <= begin })
		transitions = append(transitions, s.result.Slot.Unix())
		state.Transitions = transitions[max(0, len(transitions)-flappingSlots):]
	}
	limits := job.DefaultFlapping()
	if s.m.Flapping != nil {
		limits = *s.m.Flapping
	}
	score := Score(state.Transitions, s.result.Slot, s.m.Period)
	switch {
	case state.Flapping == nil && transition && limits.Enter > 0 && score >= float64(limits.Enter):
		s.begin(&state.Flapping, s.newIncident(job.ConditionFlapping, s.result.Slot))
	case state.Flapping != nil && (score <= float64(limits.Leave) || limits.Enter == 0):
		state.Slot = s.result.Slot
		s.end(&state.Flapping)
	}
}

// isTransition reports whether the result changed between good and bad.
func (s *step) isTransition() bool {
	before := &s.before
	known := before.Health == job.Up || before.Health == job.Down || before.Failures > 0 || !before.LastUp.IsZero()
	bad := before.Failures > 0
	if before.Health == job.Down {
		bad = before.Successes == 0
	}
	return known && bad == s.result.ProbeResult.Health.OK()
}

// Score is how much a monitor flaps at a slot, in percent: the weights of the slots
// with a transition, relative to the weights of all slots.
func Score(transitions []int64, now time.Time, period time.Duration) float64 {
	sum := 0.0
	for _, at := range transitions {
		age := float64(now.Unix()-at) / max(1, period.Seconds())
		if age >= 0 && age < flappingSlots {
			sum += newestWeight - (newestWeight-oldestWeight)*age/(flappingSlots-1)
		}
	}
	return min(100, sum*100/flappingSlots)
}
