package evaluate

import (
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// voteCount counts the locations' votes.
type voteCount struct {
	down, degraded               []*job.State // with data, in the order in which they became so
	heldDown, undecided, heldBad int          // down, not known yet, and down or degraded; without data, the last vote is held
}

func (v *voteStep) countVotes() voteCount {
	var t voteCount
	for i := range v.State.Locations {
		own := &v.State.Locations[i]
		switch {
		case own.Health == job.Down:
			t.heldDown++
			t.heldBad++
			if own.NoData == nil {
				t.down = append(t.down, own)
			}
		case own.Degraded != nil:
			t.heldBad++
			if own.NoData == nil {
				t.degraded = append(t.degraded, own)
			}
		case own.Health == job.Pending && own.NoData == nil:
			t.undecided++
		}
	}
	slices.SortStableFunc(t.down, func(a, c *job.State) int { return a.Since.Compare(c.Since) })
	slices.SortStableFunc(t.degraded, func(a, c *job.State) int { return a.Degraded.Began.Compare(c.Degraded.Began) })
	return t
}

// decide derives the monitor's health from the votes.
func (v *voteStep) decide() {
	s, quorum := &v.State, v.m.RequiredVotes()
	for i := range s.Locations {
		if last := s.Locations[i].LastUp; last.After(s.LastUp) {
			s.LastUp = last
		}
	}
	v.initialize()
	was, t := s.Health, v.countVotes()
	switch {
	case s.Health != job.Down && len(t.down) >= quorum:
		v.voteDown(&t)
	case s.Health == job.Down && t.heldDown+t.undecided < quorum:
		s.Health, s.Since = job.Up, v.slot()
		v.end(&s.Incident)
	}
	switch {
	case s.Health == job.Down:
	case s.Degraded == nil && len(t.degraded) > 0 && len(t.down)+len(t.degraded) >= quorum:
		v.voteDegraded(&t)
	case s.Degraded != nil && t.heldBad+t.undecided < quorum:
		v.end(&s.Degraded)
	}
	if v.result.ProbeResult != nil {
		v.evaluateFlapping(was != job.Pending && (was == job.Down) != (s.Health == job.Down))
	}
}

// voteDown begins the incident when the last required vote came.
func (v *voteStep) voteDown(t *voteCount) {
	decided := t.down[v.m.RequiredVotes()-1]
	incident := v.jointIncident(decided.Incident, job.ConditionDown, decided.Since)
	s := &v.State
	s.Health, s.Since, s.Degraded = job.Down, incident.Began, nil
	v.begin(&s.Incident, incident)
}

func (v *voteStep) voteDegraded(t *voteCount) {
	decided := t.degraded[len(t.degraded)-1]
	began := decided.Degraded.Began
	if n := len(t.down); n > 0 && t.down[n-1].Since.After(began) {
		began = t.down[n-1].Since
	}
	v.begin(&v.State.Degraded, v.jointIncident(decided.Degraded, job.ConditionDegraded, began))
}

// jointIncident is the incident that several locations find together: that of the
// deciding location, with the votes of all.
//
// A location's incident may have begun before the monitor's last incident ended:
// failures count only from a threshold on, and degraded is not reported while the
// monitor is down. The new incident still gets a beginning of its own.
func (v *voteStep) jointIncident(decided *job.Incident, condition job.Condition, began time.Time) job.Incident {
	for i := range v.State.Events {
		last := &v.State.Events[i]
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
	incident.ID, incident.Began = job.IncidentID(v.m.Name, condition, began), began
	incident.Location, incident.Recent = strings.Join(v.m.Locations, ","), v.State.Recent
	incident.Votes, incident.Quorum = v.State.Votes(), v.m.RequiredVotes()
	return incident
}
