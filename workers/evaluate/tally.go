package evaluate

import (
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

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
			if own.NoData == nil {
				t.down = append(t.down, own)
			}
		case own.Degraded != nil:
			t.poor++
			if own.NoData == nil {
				t.degraded = append(t.degraded, own)
			}
		case own.Health == job.Pending && own.NoData == nil:
			t.open++
		}
	}
	slices.SortStableFunc(t.down, func(a, c *job.State) int { return a.Since.Compare(c.Since) })
	slices.SortStableFunc(t.degraded, func(a, c *job.State) int { return a.Degraded.Began.Compare(c.Degraded.Began) })
	return t
}

// count makes of the votes what the monitor is.
func (b *ballot) count() {
	s, needed := &b.State, b.m.RequiredVotes()
	for i := range s.Locations {
		if good := s.Locations[i].LastUp; good.After(s.LastUp) {
			s.LastUp = good
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
		b.record(job.EventEnded, incident, b.result.ProbeResult)
	}
	if b.result.ProbeResult != nil {
		b.flap(was != job.Pending && (was == job.Down) != (s.Health == job.Down))
	}
}

// down begins the incident when the last of those that had to find it down did.
func (b *ballot) down(t *tally) {
	decided := t.down[b.m.RequiredVotes()-1]
	incident := b.common(decided.Incident, job.ConditionDown, decided.Since)
	s := &b.State
	s.Health, s.Since, s.Incident, s.Degraded = job.Down, incident.Began, &incident, nil
	b.record(job.EventBegan, incident, nil)
}

func (b *ballot) up() {
	s := &b.State
	incident := *s.Incident
	s.Health, s.Since, s.Incident = job.Up, b.at(), nil
	b.record(job.EventEnded, incident, b.result.ProbeResult)
}

func (b *ballot) degraded(t *tally) {
	decided := t.degraded[len(t.degraded)-1]
	began := decided.Degraded.Began
	if n := len(t.down); n > 0 && t.down[n-1].Since.After(began) {
		began = t.down[n-1].Since
	}
	incident := b.common(decided.Degraded, job.ConditionDegraded, began)
	b.State.Degraded = &incident
	b.record(job.EventBegan, incident, nil)
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
		if last.Kind != job.EventBegan && last.At.After(began) {
			began = last.At
		}
		if same && !began.After(last.Incident.Began) {
			began = last.Incident.Began.Add(time.Second)
		}
	}
	incident := *decided
	incident.ID, incident.Began = job.IncidentID(b.m.Name, condition, began), began
	incident.Location, incident.Recent = b.places(), b.State.Recent
	incident.Votes, incident.Quorum = b.State.Votes(), b.m.RequiredVotes()
	return incident
}

func (b *ballot) places() string { return strings.Join(b.m.Locations, ",") }
