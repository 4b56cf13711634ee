package evaluate

import (
	"cmp"
	"slices"
	"strings"
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
		if own.Health == job.Pending && !own.LastGood.IsZero() {
			own.Health, own.Since = job.Up, own.LastGood
			b.settled()
		}
		s.Locations[i] = own
	}
	if len(before) == 0 { // it had one, whose counts are nobody's now
		s.Failures, s.Successes, s.Window, s.FirstFailure = 0, 0, "", time.Time{}
		s.Warnings, s.Wells, s.Misses, s.Missed, s.Certificate, s.Flips = 0, 0, 0, time.Time{}, nil, nil
	}
	b.unseat(before)
}

// settled has a state written again in which a location is now known to be up:
// that it is decides with others what the monitor is, and those who read it
// should know.
func (b *ballot) settled() { b.Write = b.Write || b.before.Monitor != "" }

// unseat ends the blindness of those that are no longer there.
func (b *ballot) unseat(before []job.State) {
	if b.State.Blind != nil {
		incident := *b.State.Blind
		b.State.Blind = nil
		b.record(job.EventSeen, incident, nil)
	}
	for i := range before {
		if own := &before[i]; own.Blind != nil && !slices.Contains(b.m.Locations, own.Location) {
			b.record(job.EventRemoved, *own.Blind, nil)
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
	s := &step{Change: Change{State: own}, before: own, result: b.result, m: &alone, key: job.PlacedName(b.m.Name, own.Location), needed: b.m.Needed()}
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
		switch event.Kind {
		case job.EventBlind, job.EventSeen:
			b.add(event)
		case job.EventCertificate:
			if !b.knows(i, s.State.Certificate) {
				b.add(event)
			}
		case job.EventDown, job.EventUp, job.EventDegraded, job.EventWell, job.EventFlapping, job.EventSettled, job.EventRemoved:
			// what it means is for the vote to say
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
		if j != i && other != nil && other.Expires.Equal(certificate.Expires) && other.Told <= certificate.Told {
			return true
		}
	}
	return false
}

// tally counts the votes.
type tally struct {
	down, degraded   []*job.State // as they are seen now, the first to be so first
	held, open, poor int          // down, not known yet, and down or degraded, the blind by what they last were
}

func (b *ballot) tally() tally {
	var t tally
	for i := range b.State.Locations {
		own := &b.State.Locations[i]
		switch {
		case own.Health == job.Down:
			t.held++
			t.poor++
			if own.Blind == nil {
				t.down = append(t.down, own)
			}
		case own.Degraded != nil:
			t.poor++
			if own.Blind == nil {
				t.degraded = append(t.degraded, own)
			}
		case own.Health == job.Pending && own.Blind == nil:
			t.open++
		}
	}
	slices.SortStableFunc(t.down, func(a, c *job.State) int { return a.Since.Compare(c.Since) })
	slices.SortStableFunc(t.degraded, func(a, c *job.State) int { return a.Degraded.Began.Compare(c.Degraded.Began) })
	return t
}

// count makes of the votes what the monitor is.
func (b *ballot) count() {
	s, needed := &b.State, b.m.Needed()
	for i := range s.Locations {
		if good := s.Locations[i].LastGood; good.After(s.LastGood) {
			s.LastGood = good
		}
	}
	b.begin()
	was, t := s.Health, b.tally()
	switch {
	case s.Health != job.Down && len(t.down) >= needed:
		b.down(&t)
	case s.Health == job.Down && t.held+t.open < needed:
		b.up()
	}
	switch {
	case s.Health == job.Down:
	case s.Degraded == nil && len(t.degraded) > 0 && len(t.down)+len(t.degraded) >= needed:
		b.degraded(&t)
	case s.Degraded != nil && t.poor+t.open < needed:
		incident := *s.Degraded
		s.Degraded = nil
		b.record(job.EventWell, incident, b.result.Outcome)
	}
	if b.result.Outcome != nil {
		b.flap(was != job.Pending && (was == job.Down) != (s.Health == job.Down))
	}
}

// down begins the incident when the last of those that had to find it down did.
func (b *ballot) down(t *tally) {
	decided := t.down[b.m.Needed()-1]
	incident := b.common(decided.Incident, job.ConditionDown, decided.Since)
	s := &b.State
	s.Health, s.Since, s.Incident, s.Degraded = job.Down, incident.Began, &incident, nil
	b.record(job.EventDown, incident, nil)
}

func (b *ballot) up() {
	s := &b.State
	incident := *s.Incident
	s.Health, s.Since, s.Incident = job.Up, b.at(), nil
	b.record(job.EventUp, incident, b.result.Outcome)
}

func (b *ballot) degraded(t *tally) {
	decided := t.degraded[len(t.degraded)-1]
	began := decided.Degraded.Began
	if n := len(t.down); n > 0 && t.down[n-1].Since.After(began) {
		began = t.down[n-1].Since
	}
	incident := b.common(decided.Degraded, job.ConditionDegraded, began)
	b.State.Degraded = &incident
	b.record(job.EventDegraded, incident, nil)
}

// common is the incident that several locations find: that of the one that
// decided it, with what the others found.
//
// What a location found may have begun before an incident of the monitor that
// is over: it takes some failures until they count, and what is degraded is not
// told of while the monitor is down. The new incident is another one all the
// same, so it has a beginning of its own.
func (b *ballot) common(decided *job.Incident, condition job.Condition, began time.Time) job.Incident {
	for i := range b.State.Events {
		last := &b.State.Events[i]
		same := last.Incident.Condition == condition
		if !same && last.Incident.Condition != job.ConditionDown {
			continue
		}
		if !last.Kind.Begins() && last.At.After(began) {
			began = last.At
		}
		if same && !began.After(last.Incident.Began) {
			began = last.Incident.Began.Add(time.Second)
		}
	}
	incident := *decided
	incident.ID, incident.Began = job.IncidentID(b.m.Name, condition, began), began
	incident.Location, incident.Recent = b.places(), b.State.Recent
	incident.Votes, incident.Needed = b.State.Votes(), b.m.Needed()
	return incident
}

func (b *ballot) places() string { return strings.Join(b.m.Locations, ",") }
