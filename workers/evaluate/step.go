// Package evaluate turns check results into monitor states. It decides when a
// monitor goes down and is up again, when it is degraded, flapping or without
// data, and when its certificate expires soon.
//
// [Step], a pure function, evaluates one result. [Evaluator] carries it out on a
// store. Any number of evaluators may work in parallel: no process owns a monitor,
// and conflicts are resolved by compare-and-swap.
package evaluate

import (
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Monitor is a definition with its period.
type Monitor struct {
	job.Monitor

	// Period is the time between slots.
	Period time.Duration
}

// Change is what a result changes.
type Change struct {
	State job.State
	// Write reports that the state must be stored. Otherwise it has a later slot
	// at most.
	Write bool
	// Events are the new events, which are also the state's last ones.
	Events []job.Event
	// Recheck is when to check the monitor again before its next slot, since a
	// threshold is not reached yet; zero for the next slot.
	Recheck time.Time
}

// Step evaluates one result.
//
//   - A result for a slot that was evaluated before, or before the last slot up,
//     changes nothing: results may come twice, or late.
//   - FailureThreshold consecutive failures, or that many among the last
//     FailureWindow results, make the monitor down and begin an incident, which
//     is identified by the first of them.
//   - SuccessThreshold consecutive successes make it up again and end the
//     incident.
//   - A degraded result is a success. FailureThreshold consecutive ones make the
//     monitor degraded, SuccessThreshold results that are up end that.
//   - Results that change too often make it flapping, see [job.Flapping].
//   - A miss and an unknown health are no information about the target. Three such
//     slots are missing data; the next result ends that. Slots in which Vedette
//     itself was away do not count.
//   - A certificate that expires soon is alerted once for each alert in the policy.
//   - A monitor with several locations is down while its quorum is. Each location
//     is evaluated in the same way, with a state of its own.
//
// Every evaluator derives the same id for the same event.
func Step(state job.State, result job.Result, m Monitor) Change {
	if m.MultiLocation() {
		return vote(state, &result, &m)
	}
	s := newStep(state, &result, &m)
	if len(state.Locations) > 0 {
		s.Change = mergeLocations(state, &result, &m)
	}
	s.evaluate()
	return s.Change
}

// step is one evaluation.
type step struct {
	Change

	before job.State
	result *job.Result
	m      *Monitor
	key    string // for incident ids
	quorum int    // set for one of several locations
	stored bool   // there was a state before
}

func newStep(state job.State, result *job.Result, m *Monitor) *step {
	return &step{Change: Change{State: state}, before: state, result: result, m: m, key: m.Name, stored: state.Monitor != ""}
}

// evaluate evaluates the result.
func (s *step) evaluate() {
	state, result := &s.State, s.result
	switch {
	case result.ProbeResult == nil && result.Miss == nil:
	case result.ProbeResult == nil:
		s.miss(result.Miss)
	case result.ProbeResult.Health == job.Unknown:
		s.miss(&job.Miss{Reason: job.MissCheckFailed, Detail: result.ProbeResult.Cause, Count: 1, Last: result.Slot})
	case !result.Slot.After(state.Slot) || !result.Slot.After(state.LastUp):
	case result.ProbeResult.Health.OK():
		s.dataAgain()
		s.succeed()
		s.evaluateFlapping(s.isTransition())
		s.evaluateCertificate()
	case result.ProbeResult.Health == job.Down:
		s.dataAgain()
		s.fail()
		s.evaluateFlapping(s.isTransition())
	default: // a health from a newer version
	}
	s.recheck()
}

func (s *step) succeed() {
	state := &s.State
	state.LastUp = s.result.Slot
	if state.Health == job.Down {
		state.Slot = s.result.Slot
		state.Successes++
		s.addSample()
		s.Write = true
		if state.Successes < max(1, s.m.SuccessThreshold) {
			return
		}
		s.goUp()
	} else if row := state.Failures > 0; row || state.Window != "" {
		// The end of consecutive failures is written; plain successes are not.
		state.Slot, state.Failures = s.result.Slot, 0
		s.pushWindow('u')
		s.addSample()
		s.Write = true
	}
	s.initialize()
	s.evaluateDegraded()
}

func (s *step) fail() {
	state := &s.State
	state.DegradedStreak, state.OKStreak = 0, 0
	if state.Health == job.Down {
		if state.Successes > 0 {
			s.Write = true
			s.addSample()
		}
		// The slot advances without a write too, so that an earlier success that
		// comes late ends nothing.
		state.Slot, state.Successes = s.result.Slot, 0
		s.noteCause()
		return
	}
	s.initialize()
	state.Slot, s.Write = s.result.Slot, true
	if state.FirstFailure.IsZero() {
		state.FirstFailure = s.result.Slot
	}
	state.Failures++
	s.pushWindow('d')
	s.addSample()
	failures := state.Failures
	if s.windowed() {
		failures = strings.Count(state.Window, "d")
	}
	if failures >= max(1, s.m.FailureThreshold) {
		s.goDown(failures)
	}
}

// goDown begins the down incident.
func (s *step) goDown(failures int) {
	state := &s.State
	incident := s.newIncident(job.ConditionDown, state.FirstFailure)
	incident.Failures = failures
	state.Health, state.Since, state.Successes = job.Down, state.FirstFailure, 0
	state.Degraded, state.LatestFailure = nil, nil // down replaces degraded, without an event
	s.begin(&state.Incident, incident)
}

// goUp ends the down incident.
func (s *step) goUp() {
	state := &s.State
	state.Health, state.Since = job.Up, s.result.Slot
	state.Failures, state.Successes, state.FirstFailure, state.Window = 0, 0, time.Time{}, ""
	state.LatestFailure = nil
	s.end(&state.Incident)
}

// windowed reports whether failures are counted in a window instead of
// consecutively.
func (s *step) windowed() bool { return s.m.FailureWindow > max(1, s.m.FailureThreshold) }

// pushWindow adds a result to the window, which is empty without failures.
func (s *step) pushWindow(letter byte) {
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

// initialize fills in an empty state.
func (s *step) initialize() {
	state := &s.State
	state.V, state.Monitor, state.Removed = job.Version, s.m.Name, false
	if state.Health == "" {
		state.Health = job.Pending
	}
	if state.Health == job.Pending && !state.LastUp.IsZero() {
		state.Health, state.Since = job.Up, state.LastUp
	}
}

// recheck asks for an early check while a threshold is not reached.
func (s *step) recheck() {
	state, retry := &s.State, s.m.RetryInterval.Std()
	failing := state.Health != job.Down && state.Failures > s.before.Failures
	recovering := state.Health == job.Down && state.Successes > 0
	if s.Write && (failing || recovering) && retry > 0 && retry < s.m.Period {
		s.Recheck = s.result.Slot.Add(retry)
	}
}

// newIncident returns a new incident of the monitor. One that seems to have begun
// with an earlier one, since the monitor was removed and defined again in between,
// begins a second later.
func (s *step) newIncident(condition job.Condition, began time.Time) job.Incident {
	for slices.ContainsFunc(s.State.Events, func(e job.Event) bool { return e.Incident.ID == job.IncidentID(s.key, condition, began) }) {
		began = began.Add(time.Second)
	}
	incident := job.Incident{
		ID: job.IncidentID(s.key, condition, began), Condition: condition, Monitor: s.m.Name, Target: s.m.Target(),
		Location: strings.Join(s.m.Locations, ","), Group: s.m.Group, Labels: s.m.Labels, DependsOn: s.m.DependsOn, Period: job.Duration(s.m.Period),
		Quorum: s.quorum, Began: began, LastUp: s.State.LastUp, Recent: s.State.Recent, Notify: slices.Clone(s.m.Notify),
	}
	if s.result.ProbeResult != nil {
		incident.ProbeResult = *s.result.ProbeResult
	}
	return incident
}

// begin adds an open incident to the state.
func (s *step) begin(open **job.Incident, incident job.Incident) {
	*open = &incident
	s.addEvent(job.EventBegan, incident, nil)
}

// end ends an open incident.
func (s *step) end(open **job.Incident) {
	incident := **open
	*open = nil
	s.addEvent(job.EventEnded, incident, s.result.ProbeResult)
}

// addEvent adds an event to the state.
func (s *step) addEvent(kind job.EventKind, incident job.Incident, result *job.ProbeResult) {
	if result != nil { // a copy, so that the event does not keep the whole batch in memory
		own := *result
		result = &own
	}
	s.push(job.Event{ID: job.EventID(incident.ID, kind), Kind: kind, At: s.slot(), Incident: incident, ProbeResult: result})
}

// slot is the last slot that is evaluated.
func (s *step) slot() time.Time {
	if s.result.Miss != nil {
		return s.result.Miss.Last
	}
	return s.result.Slot
}

func (c *Change) push(event job.Event) {
	c.State.Sequence++
	event.Sequence = c.State.Sequence
	events := append(slices.Clone(c.State.Events), event)
	for i := range events[:len(events)-1] {
		events[i].Incident.Recent = nil // only the latest event keeps them, to save space
	}
	c.Events = append(c.Events, event)
	c.State.Events = events[max(0, len(events)-max(job.MaxEvents, len(c.Events))):] // new events are always kept
	c.Write = true
}

// maxCause limits a cause in a sample.
const maxCause = 120

// addSample keeps the result for people.
func (s *step) addSample() {
	result := s.result.ProbeResult
	cause := []rune(result.Cause)
	recent := append(slices.Clone(s.State.Recent), job.Sample{
		Slot: s.result.Slot, Health: result.Health, Cause: string(cause[:min(len(cause), maxCause)]), Latency: result.Latency,
	})
	s.State.Recent = recent[max(0, len(recent)-job.MaxRecent):]
}

// Remove returns the change when a monitor is removed: its open incidents end,
// and the rest is forgotten. A monitor that is defined again starts with a new
// state.
func Remove(state job.State, at time.Time) Change {
	if state.Removed {
		return Change{State: state}
	}
	change := Change{State: state, Write: true}
	for _, incident := range state.Open() {
		change.push(job.Event{ID: job.EventID(incident.ID, job.EventRemoved), Kind: job.EventRemoved, At: at, Incident: *incident})
	}
	change.State = job.State{
		V: job.Version, Monitor: state.Monitor, Health: job.Pending, Slot: state.Slot, Removed: true,
		Events: change.State.Events, Sequence: change.State.Sequence,
	}
	return change
}
