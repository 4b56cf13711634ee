// Package evaluate judges: it turns the results of checks into the states of
// monitors, and says when one goes down and when it is up again.
//
// The judgement itself is [Step], a pure function. [Evaluator] carries it out
// against a store, as one of any number of evaluators: there is no owner of a
// monitor, and what two decide at once is settled by compare-and-swap.
package evaluate

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

// Change is what a result does to a state.
type Change struct {
	State job.State
	// Write says that the state must be stored. Without it the new state only
	// knows a later good slot, or nothing new at all.
	Write bool
	// Event is the transition that was made, nil for none. It is also the last
	// of the state's events.
	Event *job.Event
}

// Step judges one result of a monitor.
//
//   - A result of a slot that was judged before, or that is older than the last
//     one known to be good, changes nothing: a result may come twice, or late.
//   - A miss and an unknown health change nothing either: what we could not
//     find out says nothing of the target.
//   - FailureThreshold failures in a row, without a success between them, make
//     the monitor down and begin an incident, whose identity comes from the
//     first of them.
//   - SuccessThreshold successes in a row make it up again and end the
//     incident.
//
// An event has the same identity whoever derives it, and however often.
func Step(state job.State, result job.Result, m job.Monitor) Change {
	if result.Outcome == nil || !result.Slot.After(state.Slot) || !result.Slot.After(state.LastGood) {
		return Change{State: state}
	}
	switch result.Outcome.Health {
	case job.Up, job.Degraded:
		return succeed(state, result, m)
	case job.Down:
		return fail(state, result, m)
	case job.Pending, job.Unknown:
		return Change{State: state}
	default:
		return Change{State: state} // of a newer version; it says nothing that we know
	}
}

func succeed(state job.State, result job.Result, m job.Monitor) Change {
	state.LastGood = result.Slot
	if state.Health != job.Down {
		row := state.Failures > 0
		state.Failures, state.FirstFailure = 0, time.Time{}
		if row {
			state.Slot = result.Slot
		}
		// A row of failures that ended is worth a write; that all is well is not.
		return Change{State: begin(state, m), Write: row}
	}
	state.Slot = result.Slot
	state.Successes++
	if state.Successes < max(1, m.SuccessThreshold) {
		return Change{State: state, Write: true}
	}
	return end(state, job.EventUp, result.Slot, result.Outcome)
}

func fail(state job.State, result job.Result, m job.Monitor) Change {
	if state.Health == job.Down {
		interrupted := state.Successes > 0
		// Even what is not written advances the slot, so that a success of an
		// earlier one that comes late ends nothing.
		state.Slot, state.Successes = result.Slot, 0
		return Change{State: state, Write: interrupted}
	}
	state = begin(state, m)
	state.Slot = result.Slot
	state.Failures++
	if state.Failures == 1 {
		state.FirstFailure = result.Slot
	}
	if state.Failures < max(1, m.FailureThreshold) {
		return Change{State: state, Write: true}
	}
	incident := job.Incident{
		ID: job.IncidentID(m.Name, state.FirstFailure), Monitor: m.Name, Target: m.Target(), Began: state.FirstFailure,
		LastGood: state.LastGood, Outcome: *result.Outcome, Failures: state.Failures, Notify: slices.Clone(m.Notify),
	}
	state.Health, state.Since, state.Incident, state.Successes = job.Down, state.FirstFailure, &incident, 0
	return record(state, job.Event{
		ID: incident.ID + "-" + string(job.EventDown), Kind: job.EventDown, At: result.Slot, Incident: incident,
	})
}

// begin gives a state that knows nothing yet its monitor.
func begin(state job.State, m job.Monitor) job.State {
	state.V, state.Monitor, state.Removed = job.Version, m.Name, false
	if state.Health == "" {
		state.Health = job.Pending
	}
	if state.Health == job.Pending && !state.LastGood.IsZero() {
		state.Health, state.Since = job.Up, state.LastGood
	}
	return state
}

// end closes the incident of a state.
func end(state job.State, kind job.EventKind, at time.Time, outcome *job.Outcome) Change {
	incident := *state.Incident
	state.Health, state.Since, state.Incident = job.Up, at, nil
	state.Failures, state.Successes, state.FirstFailure = 0, 0, time.Time{}
	return record(state, job.Event{ID: incident.ID + "-" + string(kind), Kind: kind, At: at, Incident: incident, Outcome: outcome})
}

// record keeps an event in its state, and the oldest ones out.
func record(state job.State, event job.Event) Change {
	events := append(slices.Clone(state.Events), event)
	state.Events = events[max(0, len(events)-job.MaxEvents):]
	return Change{State: state, Write: true, Event: &event}
}

// Remove says what the removal of its monitor does to a state: an incident
// ends, and whoever heard of it hears that; the rest is forgotten. A monitor
// that is defined again begins anew.
func Remove(state job.State, at time.Time) Change {
	if state.Removed {
		return Change{State: state}
	}
	change := Change{State: state, Write: true}
	if state.Incident != nil {
		change = end(state, job.EventRemoved, at, nil)
	}
	change.State.Removed = true
	change.State.Health, change.State.Since, change.State.LastGood = job.Pending, time.Time{}, time.Time{}
	change.State.Failures, change.State.FirstFailure = 0, time.Time{}
	return change
}
