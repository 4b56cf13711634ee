// Package evaluate judges: it turns the results of checks into the states of
// monitors, and says when one goes down and when it is up again, when it is
// degraded, flapping or blind, and when its certificate ends soon.
//
// The judgement itself is [Step], a pure function. [Evaluator] carries it out
// against a store, as one of any number of evaluators: there is no owner of a
// monitor, and what two decide at once is settled by compare-and-swap.
package evaluate

import (
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Monitor is a definition as the judgement needs it.
type Monitor struct {
	job.Monitor

	// Period is the time from slot to slot.
	Period time.Duration
}

// Change is what a result does to a state.
type Change struct {
	State job.State
	// Write says that the state must be stored. Without it the new state only
	// knows a later slot, or nothing new at all.
	Write bool
	// Events are the transitions that were made. They are also the last of the
	// state's events.
	Events []job.Event
	// Recheck is when the monitor is to be checked again, out of turn, since the
	// result leaves open what it is; zero when its next slot will do.
	Recheck time.Time
}

// Step judges one result of a monitor.
//
//   - A result of a slot that was judged before, or that is older than the last
//     one known to be good, changes nothing: a result may come twice, or late.
//   - FailureThreshold failures in a row, without a success between them, or
//     that many of the last FailureWindow results, make the monitor down and
//     begin an incident, whose identity comes from the first of them.
//   - SuccessThreshold successes in a row make it up again and end the
//     incident.
//   - A degraded result is a success; FailureThreshold of them in a row make the
//     monitor degraded, SuccessThreshold good ones well again.
//   - Results that change too often make it flapping: see [job.Flapping].
//   - A miss and an unknown health say nothing of the target. Three slots of
//     them make the monitor blind, and the next result makes it seen.
//   - A certificate that ends soon is told of once for each of the policy's
//     alerts.
//   - Of a monitor with several locations each has a state of its own, which is
//     judged so; the monitor is down while its quorum of them is.
//
// An event has the same identity whoever derives it, and however often.
func Step(state job.State, result job.Result, m Monitor) Change {
	if m.MultiLocation() {
		return vote(state, &result, &m)
	}
	s := &step{Change: Change{State: state}, before: state, result: &result, m: &m, key: m.Name}
	if len(state.Locations) > 0 {
		s.Change = together(state, &result, &m)
	}
	s.judge()
	return s.Change
}

// step is one judgement.
type step struct {
	Change

	before job.State
	result *job.Result
	m      *Monitor
	key    string // what its incidents are named after
	needed int    // of several locations of which this is one; zero otherwise
}

// judge judges the result by itself.
func (s *step) judge() {
	state, result := &s.State, s.result
	switch {
	case result.ProbeResult == nil && result.Miss == nil:
	case result.ProbeResult == nil:
		s.miss(result.Miss)
	case result.ProbeResult.Health == job.Unknown:
		s.unknown()
	case !result.Slot.After(state.Slot) || !result.Slot.After(state.LastUp):
	case result.ProbeResult.Health.OK():
		s.seen()
		s.succeed()
		s.flap(s.flipped())
		s.certificate()
	case result.ProbeResult.Health == job.Down:
		s.seen()
		s.fail()
		s.flap(s.flipped())
	default: // of a newer version; it says nothing that we know
	}
	s.recheck()
}

func (s *step) succeed() {
	state := &s.State
	state.LastUp = s.result.Slot
	if state.Health == job.Down {
		state.Slot = s.result.Slot
		state.Successes++
		s.sample()
		s.Write = true
		if state.Successes < max(1, s.m.SuccessThreshold) {
			return
		}
		s.up()
	} else if row := state.Failures > 0; row || state.Window != "" {
		// A row of failures that ended is worth a write; that all is well is not.
		state.Slot, state.Failures = s.result.Slot, 0
		s.window('u')
		s.sample()
		s.Write = true
	}
	s.begin()
	s.degrade()
}

func (s *step) fail() {
	state := &s.State
	state.DegradedStreak, state.OKStreak = 0, 0
	if state.Health == job.Down {
		if state.Successes > 0 {
			s.Write = true
			s.sample()
		}
		// Even what is not written advances the slot, so that a success of an
		// earlier one that comes late ends nothing.
		state.Slot, state.Successes = s.result.Slot, 0
		return
	}
	s.begin()
	state.Slot, s.Write = s.result.Slot, true
	if state.FirstFailure.IsZero() {
		state.FirstFailure = s.result.Slot
	}
	state.Failures++
	s.window('d')
	s.sample()
	failures := state.Failures
	if s.windowed() {
		failures = strings.Count(state.Window, "d")
	}
	if failures >= max(1, s.m.FailureThreshold) {
		s.down(failures)
	}
}

// down begins the incident.
func (s *step) down(failures int) {
	state := &s.State
	incident := s.incident(job.ConditionDown, state.FirstFailure)
	incident.Failures = failures
	state.Health, state.Since, state.Incident, state.Successes = job.Down, state.FirstFailure, &incident, 0
	state.Degraded = nil // what is down is no longer degraded, and nobody needs to hear that
	s.record(job.EventBegan, incident, nil)
}

// up ends the incident.
func (s *step) up() {
	state := &s.State
	incident := *state.Incident
	state.Health, state.Since, state.Incident = job.Up, s.result.Slot, nil
	state.Failures, state.Successes, state.FirstFailure, state.Window = 0, 0, time.Time{}, ""
	s.record(job.EventEnded, incident, s.result.ProbeResult)
}

// windowed tells whether failures are counted in a window, and not in a row.
func (s *step) windowed() bool { return s.m.FailureWindow > max(1, s.m.FailureThreshold) }

// window notes a result in the window, for as long as a failure is in it.
func (s *step) window(letter byte) {
	state := &s.State
	if s.windowed() {
		window := state.Window + string(letter)
		state.Window = window[max(0, len(window)-s.m.FailureWindow):]
	} else {
		state.Window = ""
	}
	if strings.Contains(state.Window, "d") || state.Failures > 0 {
		return
	}
	state.Window, state.FirstFailure = "", time.Time{}
}

// begin gives a state that knows nothing yet its monitor.
func (s *step) begin() {
	state := &s.State
	state.V, state.Monitor, state.Removed = job.Version, s.m.Name, false
	if state.Health == "" {
		state.Health = job.Pending
	}
	if state.Health == job.Pending && !state.LastUp.IsZero() {
		state.Health, state.Since = job.Up, state.LastUp
	}
}

// recheck asks for another check soon, where thresholds are not yet decided.
func (s *step) recheck() {
	state, retry := &s.State, s.m.RetryInterval.Std()
	row := state.Health != job.Down && state.Failures > s.before.Failures
	way := state.Health == job.Down && state.Successes > 0
	if s.Write && (row || way) && retry > 0 && retry < s.m.Period {
		s.Recheck = s.result.Slot.Add(retry)
	}
}

// incident is a new one of the monitor.
func (s *step) incident(condition job.Condition, began time.Time) job.Incident {
	incident := job.Incident{
		ID: job.IncidentID(s.key, condition, began), Condition: condition, Monitor: s.m.Name, Target: s.m.Target(),
		Location: strings.Join(s.m.Locations, ","), Group: s.m.Group, Labels: s.m.Labels, DependsOn: s.m.DependsOn, Period: job.Duration(s.m.Period),
		Quorum: s.needed, Began: began, LastUp: s.State.LastUp, Recent: s.State.Recent, Notify: slices.Clone(s.m.Notify),
	}
	if s.result.ProbeResult != nil {
		incident.ProbeResult = *s.result.ProbeResult
	}
	return incident
}

// record keeps an event in the state, and the oldest ones out.
func (s *step) record(kind job.EventKind, incident job.Incident, outcome *job.ProbeResult) {
	if outcome != nil { // which lies in memory with those of the whole batch
		own := *outcome
		outcome = &own
	}
	s.add(job.Event{ID: job.EventID(incident.ID, kind), Kind: kind, At: s.at(), Incident: incident, ProbeResult: outcome})
}

// at is the slot that is judged, of several the last.
func (s *step) at() time.Time {
	if s.result.Miss != nil {
		return s.result.Miss.Last
	}
	return s.result.Slot
}

func (c *Change) add(event job.Event) {
	c.State.Sequence++
	event.Sequence = c.State.Sequence
	events := append(slices.Clone(c.State.Events), event)
	for i := range events[:len(events)-1] {
		events[i].Incident.Recent = nil // whoever has missed the write does without
	}
	c.Events = append(c.Events, event)
	c.State.Events = events[max(0, len(events)-max(job.MaxEvents, len(c.Events))):] // none is lost in the write that makes it
	c.Write = true
}

// maxCause bounds what a sample tells of a cause.
const maxCause = 120

// sample keeps a result for people.
func (s *step) sample() {
	outcome := s.result.ProbeResult
	cause := []rune(outcome.Cause)
	recent := append(slices.Clone(s.State.Recent), job.Sample{
		Slot: s.result.Slot, Health: outcome.Health, Cause: string(cause[:min(len(cause), maxCause)]), Latency: outcome.Latency,
	})
	s.State.Recent = recent[max(0, len(recent)-job.MaxRecent):]
}

// Remove says what the removal of its monitor does to a state: what was open
// ends, and whoever heard of it hears that; the rest is forgotten. A monitor
// that is defined again begins anew.
func Remove(state job.State, at time.Time) Change {
	if state.Removed {
		return Change{State: state}
	}
	change := Change{State: state, Write: true}
	for _, incident := range state.Open() {
		change.add(job.Event{ID: job.EventID(incident.ID, job.EventRemoved), Kind: job.EventRemoved, At: at, Incident: *incident})
	}
	change.State = job.State{
		V: job.Version, Monitor: state.Monitor, Health: job.Pending, Slot: state.Slot, Removed: true,
		Events: change.State.Events, Sequence: change.State.Sequence,
	}
	return change
}
