package evaluate

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

// pass lets a result go by that changes nothing, and remembers its slot.
func (k known) pass(result *job.Result) bool {
	if !k.healthy() {
		return false
	}
	if k.lone(result) {
		return true
	}
	slot := result.Slot.Unix()
	if good := k.good(result.Location); result.Miss == nil && slot <= good {
		return true
	}
	if !k.passes(result) {
		return false
	}
	if k.votes() {
		*k.s.places.Value(k.s.place(k.name, result.Location)) = slot
	} else {
		k.lastGood = slot
	}
	return true
}

// lone tells whether a result is the one slot of a healthy monitor that was left
// out for lack of room after a good one. Where every second slot is, two writes
// for each would cost more than the checks; a second one in a row is counted, and
// makes for a third that is blind.
func (k known) lone(result *job.Result) bool {
	if k.votes() || result.Miss == nil || result.Miss.Reason != job.MissShed {
		return false
	}
	newest := time.Unix(k.lastGood, 0)
	if state := k.state(); state != nil && state.Slot.After(newest) {
		newest = state.Slot
	}
	return result.Miss.Last.Sub(newest) < (blindSlots-1)*k.s.rhythms[k.rhythm].period
}

// votes tells whether the monitor has several locations.
func (k known) votes() bool { return k.s.rhythms[k.rhythm].votes }

// good is the last good slot of a monitor, or of one of its several locations;
// zero when none is known.
func (k known) good(location string) int64 {
	if !k.votes() {
		return k.lastGood
	}
	if id, ok := k.s.places.Find(job.LocationName(k.name, location)); ok {
		return *k.s.places.Value(id)
	}
	return 0
}

// healthy tells whether a good result changes nothing that is stored.
func (k known) healthy() bool {
	state := k.state()
	return state == nil || quiet(state)
}

// quiet tells whether a state waits for nothing, so that a good result adds
// nothing to it.
func quiet(s *job.State) bool {
	return s.Health == job.Up && s.Failures == 0 && s.Window == "" && s.DegradedStreak == 0 && s.MissedSlots == 0 &&
		s.Degraded == nil && s.Flapping == nil && s.NoData == nil &&
		!slices.ContainsFunc(s.Locations, func(own job.State) bool { return !quiet(&own) })
}

// passes tells whether a result of a healthy monitor is good, and later than
// what was judged, and has nothing to tell of a certificate.
func (k known) passes(result *job.Result) bool {
	if result.ProbeResult == nil || result.ProbeResult.Health != job.Up {
		return false
	}
	if judged := k.judged(result.Location); judged != nil && (!result.Slot.After(judged.Slot) || judged.Certificate != nil) {
		return false
	}
	expires := result.ProbeResult.CertificateExpires
	return expires.IsZero() || expires.Sub(result.Slot) > k.s.rhythms[k.rhythm].alert
}

// judged is the state of a monitor, or of one of its several locations; nil
// when there is none.
func (k known) judged(location string) *job.State {
	state := k.state()
	if state == nil || !k.votes() {
		return state
	}
	for i := range state.Locations {
		if state.Locations[i].Location == location {
			return &state.Locations[i]
		}
	}
	return nil
}

// recall gives a state the last good slots that were let pass since.
func (k known) recall(state job.State, m *Monitor) job.State {
	if !m.MultiLocation() {
		later(&state.LastUp, k.good(""))
		return state
	}
	state.Locations = slices.Clone(state.Locations)
	for _, location := range m.Locations {
		at := slices.IndexFunc(state.Locations, func(own job.State) bool { return own.Location == location })
		if at < 0 {
			at = len(state.Locations)
			state.Locations = append(state.Locations, job.State{V: job.Version, Monitor: m.Name, Location: location, Health: job.Pending})
		}
		later(&state.Locations[at].LastUp, k.good(location))
	}
	return state
}

func later(at *time.Time, good int64) {
	if slot := time.Unix(good, 0).UTC(); good > 0 && slot.After(*at) {
		*at = slot
	}
}

// passed are good results that were let pass, and are later than what a state
// has judged.
func (k known) passed(state *job.State) []job.Result {
	var results []job.Result
	note := func(own *job.State) {
		if good := k.good(own.Location); good > own.Slot.Unix() && good > own.LastUp.Unix() {
			results = append(results, job.Result{
				Monitor: k.name, Slot: time.Unix(good, 0).UTC(), Location: own.Location, ProbeResult: &job.ProbeResult{Health: job.Up},
			})
		}
	}
	if !k.votes() {
		note(state)
		return results
	}
	for i := range state.Locations {
		note(&state.Locations[i])
	}
	return results
}

// fresh is a state that was written by somebody. If it is quiet, later good
// slots were not written: not to know the last one is better than to name one
// that was not.
func fresh(state job.State) job.State {
	if !quiet(&state) {
		return state
	}
	state.LastUp = time.Time{}
	state.Locations = slices.Clone(state.Locations)
	for i := range state.Locations {
		state.Locations[i].LastUp = time.Time{}
	}
	return state
}
