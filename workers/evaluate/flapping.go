package evaluate

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

// places is how many results the judgement of flapping looks back on.
const places = 20

// Weights of the newest and the oldest place, after Nagios; their mean is 1.
const (
	newest = 1.2
	oldest = 0.8
)

// flap notes a result that is a change, and judges whether there are too many. A change is remembered by its slot and not by its place in a row, so
// that results which changed nothing, most of all, need not be remembered.
func (s *step) flap(flipped bool) {
	state := &s.State
	if flipped {
		begin := s.result.Slot.Add(-places * s.m.Period).Unix()
		flips := slices.DeleteFunc(slices.Clone(state.Transitions), func(at int64) bool { return at <= begin })
		flips = append(flips, s.result.Slot.Unix())
		state.Transitions = flips[max(0, len(flips)-places):]
	}
	limits := job.DefaultFlapping()
	if s.m.Flapping != nil {
		limits = *s.m.Flapping
	}
	score := Score(state.Transitions, s.result.Slot, s.m.Period)
	switch {
	case state.Flapping == nil && flipped && limits.Enter > 0 && score >= float64(limits.Enter):
		incident := s.incident(job.ConditionFlapping, s.result.Slot)
		state.Flapping = &incident
		s.record(job.EventBegan, incident, nil)
	case state.Flapping != nil && (score <= float64(limits.Leave) || limits.Enter == 0):
		incident := *state.Flapping
		state.Flapping, state.Slot = nil, s.result.Slot
		s.record(job.EventEnded, incident, s.result.ProbeResult)
	}
}

// flipped tells whether the result differs from the one before, good or bad.
func (s *step) flipped() bool {
	before := &s.before
	known := before.Health == job.Up || before.Health == job.Down || before.Failures > 0 || !before.LastUp.IsZero()
	bad := before.Failures > 0
	if before.Health == job.Down {
		bad = before.Successes == 0
	}
	return known && bad == s.result.ProbeResult.Health.OK()
}

// Score is how much a monitor flaps at a slot, in percent: the weights of the
// places at which its results changed, of the weights of all places.
func Score(flips []int64, now time.Time, period time.Duration) float64 {
	sum := 0.0
	for _, flip := range flips {
		age := float64(now.Unix()-flip) / max(1, period.Seconds())
		if age >= 0 && age < places {
			sum += newest - (newest-oldest)*age/(places-1)
		}
	}
	return min(100, sum*100/places)
}
