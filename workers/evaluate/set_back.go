package evaluate

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

// After the clock was set back, the slots of results are earlier than those in
// states, and would count as late for as long as the step. A time in a state that
// is later than the horizon, the latest possible slot, proves such a step: it is
// taken for the slot before the result.

// horizon is the latest time that a slot can have, zero if that is unknown.
func (e *Evaluator) horizon() time.Time {
	if e.config.Horizon == nil {
		return time.Time{}
	}
	return e.config.Horizon()
}

// forgetFuture takes the last slot up for the one before a result, if it is from
// before the clock was set back.
func (e *Evaluator) forgetFuture(k entry, result *job.Result) {
	last, slot := k.lastUpAt(result.Location), result.Slot.Unix()
	if slot > last {
		return // as for most results
	}
	if horizon := e.horizon(); !horizon.IsZero() && last > horizon.Unix() {
		k.setLastUp(result.Location, slot-1)
	}
}

// setBack returns a state whose times after the horizon are replaced.
func setBack(state job.State, horizon, to time.Time) job.State {
	if horizon.IsZero() || !isAhead(&state, horizon) {
		return state
	}
	for _, at := range []*time.Time{&state.Since, &state.Slot, &state.FirstFailure, &state.LastUp, &state.LastMissed, &state.AwayUntil} {
		setTimeBack(at, horizon, to)
	}
	state.Transitions = slices.Clone(state.Transitions)
	for i, second := range state.Transitions {
		if second > horizon.Unix() {
			state.Transitions[i] = to.Unix()
		}
	}
	state.Recent = slices.Clone(state.Recent)
	for i := range state.Recent {
		setTimeBack(&state.Recent[i].Slot, horizon, to)
	}
	for _, open := range []**job.Incident{&state.Incident, &state.Degraded, &state.Flapping, &state.NoData} {
		setIncidentBack(open, horizon, to)
	}
	state.Events = slices.Clone(state.Events)
	for i := range state.Events {
		event := &state.Events[i]
		setTimeBack(&event.At, horizon, to)
		setTimeBack(&event.Incident.Began, horizon, to)
	}
	state.Locations = slices.Clone(state.Locations)
	for i := range state.Locations {
		state.Locations[i] = setBack(state.Locations[i], horizon, to)
	}
	return state
}

// isAhead reports whether a time that decides about results is after the horizon.
func isAhead(s *job.State, horizon time.Time) bool {
	return s.Slot.After(horizon) || s.LastUp.After(horizon) || s.LastMissed.After(horizon) || s.AwayUntil.After(horizon) ||
		slices.ContainsFunc(s.Locations, func(own job.State) bool { return isAhead(&own, horizon) })
}

func setTimeBack(at *time.Time, horizon, to time.Time) {
	if at.After(horizon) {
		*at = to
	}
}

// setIncidentBack keeps the incident's id, which is what others know.
func setIncidentBack(open **job.Incident, horizon, to time.Time) {
	if *open == nil {
		return
	}
	incident := **open
	setTimeBack(&incident.Began, horizon, to)
	setTimeBack(&incident.LastUp, horizon, to)
	*open = &incident
}
