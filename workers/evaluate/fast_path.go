package evaluate

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

// skip reports whether a result changes nothing that is stored. It remembers the
// slot of a success.
func (k entry) skip(result *job.Result) bool {
	if !k.healthy() {
		return false
	}
	if k.isSingleShed(result) {
		return true
	}
	slot := result.Slot.Unix()
	if result.Miss == nil && slot <= k.lastUpAt(result.Location) {
		return true
	}
	if !k.isPlainSuccess(result) {
		return false
	}
	k.setLastUp(result.Location, slot)
	return true
}

// setLastUp remembers the last slot up of a monitor, or of one of its several
// locations.
func (k entry) setLastUp(location string, slot int64) {
	if k.multiLocation() {
		*k.stripe.lastUps.Value(k.stripe.locationID(k.name, location)) = slot
	} else {
		k.lastUp = slot
	}
}

// isSingleShed reports whether a result is a single slot that was shed after a
// success. When every second slot is shed, two writes for each would cost more
// than the checks; a second consecutive one is counted, so that the third makes
// no data.
func (k entry) isSingleShed(result *job.Result) bool {
	if k.multiLocation() || result.Miss == nil || result.Miss.Reason != job.MissShed {
		return false
	}
	newest := time.Unix(k.lastUp, 0)
	if state := k.state(); state != nil && state.Slot.After(newest) {
		newest = state.Slot
	}
	return result.Miss.Last.Sub(newest) < (noDataSlots-1)*k.stripe.profiles[k.profile].period
}

// multiLocation reports whether the monitor has several locations.
func (k entry) multiLocation() bool { return k.stripe.profiles[k.profile].multiLocation }

// lastUpAt is the last slot up of a monitor, or of one of its several locations;
// zero for none.
func (k entry) lastUpAt(location string) int64 {
	if !k.multiLocation() {
		return k.lastUp
	}
	if id, ok := k.stripe.lastUps.Find(job.LocationName(k.name, location)); ok {
		return *k.stripe.lastUps.Value(id)
	}
	return 0
}

// healthy reports whether a success changes nothing that is stored.
func (k entry) healthy() bool {
	state := k.state()
	return state == nil || isSettled(state)
}

// isSettled reports whether a state is up with nothing pending, so that a success
// adds nothing to it.
func isSettled(s *job.State) bool {
	return s.Health == job.Up && s.Failures == 0 && s.Window == "" && s.DegradedStreak == 0 && s.MissedSlots == 0 &&
		s.Degraded == nil && s.Flapping == nil && s.NoData == nil &&
		!slices.ContainsFunc(s.Locations, func(own job.State) bool { return !isSettled(&own) })
}

// isPlainSuccess reports whether a healthy monitor's result is up, later than the
// last one evaluated, and without a certificate alert.
func (k entry) isPlainSuccess(result *job.Result) bool {
	if result.ProbeResult == nil || result.ProbeResult.Health != job.Up {
		return false
	}
	if state := k.evaluatedState(result.Location); state != nil && (!result.Slot.After(state.Slot) || state.Certificate != nil) {
		return false
	}
	expires := result.ProbeResult.CertificateExpires
	return expires.IsZero() || expires.Sub(result.Slot) > k.stripe.profiles[k.profile].alert
}

// evaluatedState is the state of a monitor, or of one of its several locations;
// nil for none.
func (k entry) evaluatedState(location string) *job.State {
	state := k.state()
	if state == nil || !k.multiLocation() {
		return state
	}
	at := slices.IndexFunc(state.Locations, func(own job.State) bool { return own.Location == location })
	if at < 0 {
		return nil
	}
	return &state.Locations[at]
}

// withSkipped adds the slots skipped since to a state.
func (k entry) withSkipped(state job.State, m *Monitor) job.State {
	if !m.MultiLocation() {
		advance(&state.LastUp, k.lastUpAt(""))
		return state
	}
	state.Locations = slices.Clone(state.Locations)
	for _, location := range m.Locations {
		at := slices.IndexFunc(state.Locations, func(own job.State) bool { return own.Location == location })
		if at < 0 {
			at = len(state.Locations)
			state.Locations = append(state.Locations, job.State{V: job.Version, Monitor: m.Name, Location: location, Health: job.Pending})
		}
		advance(&state.Locations[at].LastUp, k.lastUpAt(location))
	}
	return state
}

// advance moves a time forward to a slot, in seconds; zero is none.
func advance(at *time.Time, seconds int64) {
	if slot := time.Unix(seconds, 0).UTC(); seconds > 0 && slot.After(*at) {
		*at = slot
	}
}

// skippedResults are successes that were skipped and are later than a state's last
// result, but not after the horizon: see setBack.
func (k entry) skippedResults(state *job.State, horizon time.Time) []job.Result {
	var results []job.Result
	collect := func(own *job.State) {
		// A monitor without a success has no last slot up: 0 is none, not 1970.
		last := k.lastUpAt(own.Location)
		if !horizon.IsZero() && last > horizon.Unix() {
			return
		}
		if last > 0 && last > own.Slot.Unix() && last > own.LastUp.Unix() {
			results = append(results, job.Result{
				Monitor: k.name, Slot: time.Unix(last, 0).UTC(), Location: own.Location, ProbeResult: &job.ProbeResult{Health: job.Up},
			})
		}
	}
	if !k.multiLocation() {
		collect(state)
		return results
	}
	for i := range state.Locations {
		collect(&state.Locations[i])
	}
	return results
}

// withoutLastUp prepares a state that any evaluator may have written. If it is
// settled, later successes were skipped there, so that its last slot up is not
// the last one: none is better than a wrong one.
func withoutLastUp(state job.State) job.State {
	if !isSettled(&state) {
		return state
	}
	state.LastUp = time.Time{}
	state.Locations = slices.Clone(state.Locations)
	for i := range state.Locations {
		state.Locations[i].LastUp = time.Time{}
	}
	return state
}
