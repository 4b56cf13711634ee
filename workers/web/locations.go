package web

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

// locationResult is a monitor's last result from one location.
type locationResult struct {
	location string
	slot     time.Time
	health   job.Health
}

// setLocations keeps a result for each location of a monitor with several.
func (t *MonitorTable) setLocations(m *job.Monitor) {
	if !m.MultiLocation() {
		delete(t.locations, m.Name)
		return
	}
	before := t.locations[m.Name]
	results := make([]locationResult, len(m.Locations))
	for i, location := range m.Locations {
		results[i] = locationResult{location: location, health: job.Pending}
		if at := slices.IndexFunc(before, func(known locationResult) bool { return known.location == location }); at >= 0 {
			results[i] = before[at]
		}
	}
	t.locations[m.Name] = results
}

func (t *MonitorTable) addLocationResult(result *job.Result) {
	results := t.locations[result.Monitor]
	for i := range results {
		r := &results[i]
		if r.location == result.Location && result.ProbeResult != nil && replaces(result.Slot, r.slot) {
			r.slot, r.health = result.Slot, result.ProbeResult.Health
		}
	}
}

// addVotes adds the votes of the locations and the resulting health. The
// evaluated votes have precedence. For a location that has always been up there
// is none, so its last result applies.
func (r *Row) addVotes(results []locationResult, state *job.State) {
	evaluated := map[string]job.Vote{}
	if state != nil && !state.Removed {
		for _, v := range state.Votes() {
			evaluated[v.Location] = v
		}
	}
	r.Health, r.Class, r.Cause = job.Pending, "", ""
	withoutData := 0
	for _, result := range results {
		v := evaluated[result.location]
		if v.Location == "" || v.Health == job.Pending {
			v = job.Vote{Location: result.location, Health: job.Pending}
			if result.health.OK() {
				v.Health = result.health
			}
		}
		switch {
		case v.Health.OK():
			r.Health = job.Up
		case v.Health == job.Unknown:
			withoutData++
		}
		r.Locations = append(r.Locations, v)
	}
	if withoutData == len(results) {
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

// Deviating returns the votes that differ from the monitor's health.
func (r *Row) Deviating() []job.Vote {
	return slices.DeleteFunc(slices.Clone(r.Locations), func(v job.Vote) bool { return v.Health == r.Health })
}
