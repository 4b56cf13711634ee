package evaluate

import (
	"cmp"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// vote judges a result of a monitor that has several locations. What is seen
// from each is judged as if it were a monitor of its own, and has a state of its
// own; what enough of them find is what the monitor is. It is one state, and so
// one write: nobody ever sees the votes and not what they make.
//
// A location that is blind has no vote for going down. It keeps its last one
// against coming up again, since nobody has seen that it did.
func vote(state job.State, result *job.Result, m *Monitor) Change {
	b := &ballot{step: step{Change: Change{State: state}, before: state, result: result, m: m, key: m.Name}}
	b.seat()
	for i := range b.State.Locations {
		if result.Location == "" || result.Location == b.State.Locations[i].Location {
			b.poll(i)
		}
	}
	b.count()
	if b.Write && result.Slot.After(b.State.Slot) {
		b.State.Slot = result.Slot
	}
	return b.Change
}

// ballot is one such judgement.
type ballot struct {
	step
}

// seat gives each location of the definition its place in the state, whatever
// the definition was when that was written.
func (b *ballot) seat() {
	s, before := &b.State, b.State.Locations
	s.Locations = make([]job.State, len(b.m.Locations))
	for i, location := range b.m.Locations {
		own := job.State{V: job.Version, Monitor: b.m.Name, Location: location, Health: job.Pending}
		if at := slices.IndexFunc(before, func(other job.State) bool { return other.Location == location }); at >= 0 {
			own = before[at]
			own.Health = cmp.Or(own.Health, job.Pending)
		}
		if own.Health == job.Pending && !own.LastUp.IsZero() {
			own.Health, own.Since = job.Up, own.LastUp
			b.settled()
		}
		s.Locations[i] = own
	}
	if len(before) == 0 { // it had one, whose counts are nobody's now
		s.Failures, s.Successes, s.Window, s.FirstFailure = 0, 0, "", time.Time{}
		s.DegradedStreak, s.OKStreak, s.MissedSlots, s.LastMissed, s.Certificate, s.Transitions = 0, 0, 0, time.Time{}, nil, nil
	}
	b.unseat(before)
}

// settled has a state written again in which a location is now known to be up:
// that it is decides with others what the monitor is, and those who read it
// should know.
func (b *ballot) settled() { b.Write = b.Write || b.before.Monitor != "" }

// unseat ends the blindness of those that are no longer there.
func (b *ballot) unseat(before []job.State) {
	if b.State.NoData != nil {
		incident := *b.State.NoData
		b.State.NoData = nil
		b.record(job.EventEnded, incident, nil)
	}
	for i := range before {
		if own := &before[i]; own.NoData != nil && !slices.Contains(b.m.Locations, own.Location) {
			b.record(job.EventRemoved, *own.NoData, nil)
		}
	}
}

// together makes the state of a monitor that had several locations one of a
// monitor that has not.
func together(state job.State, result *job.Result, m *Monitor) Change {
	b := &ballot{step: step{Change: Change{State: state}, before: state, result: result, m: m, key: m.Name}}
	b.State.Locations = nil
	b.Write = true
	b.unseat(state.Locations)
	return b.Change
}

// poll judges the result as one of a location.
func (b *ballot) poll(i int) {
	own := b.State.Locations[i]
	alone := *b.m
	alone.Locations, alone.Flapping = []string{own.Location}, &job.Flapping{} // it is the vote that flaps
	s := &step{Change: Change{State: own}, before: own, result: b.result, m: &alone, key: job.LocationName(b.m.Name, own.Location), needed: b.m.RequiredVotes()}
	s.judge()
	b.Write = b.Write || s.Write
	if own.Health == job.Pending && s.State.Health == job.Up {
		b.settled()
	}
	if !s.Recheck.IsZero() {
		b.Recheck = s.Recheck
	}
	s.State.Events, s.State.Sequence = nil, 0
	b.State.Locations[i] = s.State
	b.sampled(own.Recent, &b.State.Locations[i])
	for _, event := range s.Events {
		switch event.Incident.Condition {
		case job.ConditionNoData:
			b.add(event)
		case job.ConditionCertificate:
			if !b.knows(i, s.State.Certificate) {
				b.add(event)
			}
		case job.ConditionDown, job.ConditionDegraded, job.ConditionFlapping: // the vote decides what they mean
		}
	}
}

// sampled takes the sample that a location has taken, if it has, among those of
// the monitor.
func (b *ballot) sampled(before []job.Sample, own *job.State) {
	if len(own.Recent) == 0 || len(before) > 0 && !own.Recent[len(own.Recent)-1].Slot.After(before[len(before)-1].Slot) {
		return
	}
	sample := own.Recent[len(own.Recent)-1]
	sample.Location = own.Location
	recent := append(slices.Clone(b.State.Recent), sample)
	b.State.Recent = recent[max(0, len(recent)-job.MaxRecent):]
}

// knows tells whether another location has told of the same certificate, as
// urgently.
func (b *ballot) knows(i int, certificate *job.Certificate) bool {
	for j := range b.State.Locations {
		other := b.State.Locations[j].Certificate
		if j != i && other != nil && other.Expires.Equal(certificate.Expires) && other.Alerted <= certificate.Alerted {
			return true
		}
	}
	return false
}
