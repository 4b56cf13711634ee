package evaluate

import (
	"cmp"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// vote evaluates a result for a monitor with several locations. Each location is
// evaluated like a monitor, with a state of its own; what the quorum finds is the
// monitor's health. All are in one state, so that votes and health are written
// together.
//
// A location without data has no vote for down. Its last vote still counts against
// up, since no result shows a recovery.
func vote(state job.State, result *job.Result, m *Monitor) Change {
	v := &voteStep{*newStep(state, result, m)}
	v.alignLocations()
	if miss := result.Miss; miss != nil && ownAbsence(miss.Reason) && miss.Last.After(v.State.AwayUntil) {
		v.beAway(miss)
	}
	for i := range v.State.Locations {
		if result.Location == "" || result.Location == v.State.Locations[i].Location {
			v.stepLocation(i)
		}
	}
	v.decide()
	if v.Write && result.Slot.After(v.State.Slot) {
		v.State.Slot = result.Slot
	}
	return v.Change
}

// voteStep is one such evaluation.
type voteStep struct {
	step
}

// alignLocations gives the state the definition's locations, which may have
// changed since the last write.
func (v *voteStep) alignLocations() {
	s, before := &v.State, v.State.Locations
	s.Locations = make([]job.State, len(v.m.Locations))
	for i, location := range v.m.Locations {
		own := job.State{V: job.Version, Monitor: v.m.Name, Location: location, Health: job.Pending}
		if at := slices.IndexFunc(before, func(other job.State) bool { return other.Location == location }); at >= 0 {
			own = before[at]
			own.Health = cmp.Or(own.Health, job.Pending)
		}
		if own.Health == job.Pending && !own.LastUp.IsZero() {
			own.Health, own.Since = job.Up, own.LastUp
			v.writeUp()
		}
		s.Locations[i] = own
	}
	if len(before) == 0 { // the counts belong to the single location before
		s.Failures, s.Successes, s.Window, s.FirstFailure = 0, 0, "", time.Time{}
		s.DegradedStreak, s.OKStreak, s.MissedSlots, s.LastMissed, s.Certificate, s.Transitions = 0, 0, 0, time.Time{}, nil, nil
	}
	v.endRemoved(before)
}

// writeUp has the state written when a location is up for the first time, since
// its vote matters to readers.
func (v *voteStep) writeUp() { v.Write = v.Write || v.before.Monitor != "" }

// endRemoved ends missing data at locations that are no longer defined.
func (v *voteStep) endRemoved(before []job.State) {
	if v.State.NoData != nil {
		incident := *v.State.NoData
		v.State.NoData = nil
		v.addEvent(job.EventEnded, incident, nil)
	}
	for i := range before {
		if own := &before[i]; own.NoData != nil && !slices.Contains(v.m.Locations, own.Location) {
			v.addEvent(job.EventRemoved, *own.NoData, nil)
		}
	}
}

// mergeLocations turns the state of a monitor with several locations into that of
// a monitor with one.
func mergeLocations(state job.State, result *job.Result, m *Monitor) Change {
	v := &voteStep{*newStep(state, result, m)}
	v.State.Locations = nil
	v.Write = true
	v.endRemoved(state.Locations)
	return v.Change
}

// stepLocation evaluates the result for a location.
func (v *voteStep) stepLocation(i int) {
	own := v.State.Locations[i]
	alone := *v.m
	alone.Locations, alone.Flapping = []string{own.Location}, &job.Flapping{} // flapping is decided for the vote
	s := newStep(own, v.result, &alone)
	s.key, s.quorum = job.LocationName(v.m.Name, own.Location), v.m.RequiredVotes()
	s.stored = v.stored
	s.evaluate()
	v.Write = v.Write || s.Write
	if own.Health == job.Pending && s.State.Health == job.Up {
		v.writeUp()
	}
	if !s.Recheck.IsZero() {
		v.Recheck = s.Recheck
	}
	s.State.Events, s.State.Sequence = nil, 0
	v.State.Locations[i] = s.State
	v.addSample(own.Recent, &v.State.Locations[i])
	for _, event := range s.Events {
		switch event.Incident.Condition {
		case job.ConditionNoData:
			v.push(event)
		case job.ConditionCertificate:
			if !v.alreadyAlerted(i, s.State.Certificate) {
				v.push(event)
			}
		case job.ConditionDown, job.ConditionDegraded, job.ConditionFlapping: // the vote decides what they mean
		}
	}
}

// addSample adds a location's new sample, if there is one, to the monitor's.
func (v *voteStep) addSample(before []job.Sample, own *job.State) {
	if len(own.Recent) == 0 || len(before) > 0 && !own.Recent[len(own.Recent)-1].Slot.After(before[len(before)-1].Slot) {
		return
	}
	sample := own.Recent[len(own.Recent)-1]
	sample.Location = own.Location
	recent := append(slices.Clone(v.State.Recent), sample)
	v.State.Recent = recent[max(0, len(recent)-job.MaxRecent):]
}

// alreadyAlerted reports whether another location gave the same certificate alert,
// or a later one.
func (v *voteStep) alreadyAlerted(i int, certificate *job.Certificate) bool {
	for j := range v.State.Locations {
		other := v.State.Locations[j].Certificate
		if j != i && other != nil && other.Expires.Equal(certificate.Expires) && other.Alerted <= certificate.Alerted {
			return true
		}
	}
	return false
}
