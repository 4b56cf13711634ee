package statuspage

import (
	"time"

	"vedette/pipeline/job"
)

// place is the last result of one of several locations.
type place struct {
	location string
	slot     time.Time
	health   job.Health
}

// seat gives a monitor with several locations a place for each.
func (b *Board) seat(m *job.Monitor) {
	if !m.MultiLocation() {
		delete(b.places, m.Name)
		return
	}
	before := b.places[m.Name]
	places := make([]place, len(m.Locations))
	for i, location := range m.Locations {
		places[i] = place{location: location, health: job.Pending}
		for _, known := range before {
			if known.location == location {
				places[i] = known
			}
		}
	}
	b.places[m.Name] = places
}

func (b *Board) notePlace(result *job.Result) {
	places := b.places[result.Monitor]
	for i := range places {
		p := &places[i]
		if p.location == result.Location && result.ProbeResult != nil && result.Slot.After(p.slot) {
			p.slot, p.health = result.Slot, result.ProbeResult.Health
		}
	}
}

// vote shows what the locations find, and what that makes. What is judged
// counts; of a location that was never anything but up nothing is, so its last
// result does.
func (r *Row) vote(places []place, state *job.State) {
	judged := map[string]job.Vote{}
	if state != nil && !state.Removed {
		for _, v := range state.Votes() {
			judged[v.Location] = v
		}
	}
	r.Health, r.Class, r.Cause = job.Pending, "", ""
	blind := 0
	for _, p := range places {
		v := judged[p.location]
		if v.Location == "" || v.Health == job.Pending {
			v = job.Vote{Location: p.location, Health: job.Pending}
			if p.health.OK() {
				v.Health = p.health
			}
		}
		switch {
		case v.Health.OK():
			r.Health = job.Up
		case v.Health == job.Unknown:
			blind++
		}
		r.Locations = append(r.Locations, v)
	}
	if blind == len(places) {
		r.Health, r.Flags = state.Health, append(r.Flags, string(job.ConditionNoData))
	}
	if state == nil || state.Removed {
		return
	}
	switch {
	case state.Health == job.Down:
		r.Health = job.Down
	case state.Degraded != nil:
		r.Health = job.Degraded
	}
}

// Apart are the locations that find something else than the monitor is.
func (r *Row) Apart() []job.Vote {
	var apart []job.Vote
	for _, v := range r.Locations {
		if v.Health != r.Health {
			apart = append(apart, v)
		}
	}
	return apart
}
