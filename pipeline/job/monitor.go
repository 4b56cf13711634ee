package job

import (
	"strings"
	"time"
)

// Monitor is the definition of one thing that is watched: what to check, when,
// and who hears of it. Definitions are stored one to a key; schedulers,
// evaluators and pages watch them.
type Monitor struct {
	V int `json:"v"`
	// Name identifies the monitor: 1 to 128 of A-Z a-z 0-9 _ - and single dots
	// between them, because it is part of subjects and keys.
	Name string `json:"name"`
	// Group and Labels are for people, and for routes, silences and maintenance
	// windows, which match them.
	Group  string            `json:"group,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// DependsOn are monitors without which this one cannot be up: while one of
	// them is down, this one is listed under it and not announced.
	DependsOn []string `json:"depends_on,omitempty"`
	Spec
	// Interval is the time from slot to slot, a second or more. Exactly one of
	// Interval and Cron is set.
	Interval Duration `json:"interval,omitempty"`
	// Cron is a five-field cron expression, in the zone of TimeZone.
	Cron string `json:"cron,omitempty"`
	// TimeZone is an IANA name; empty means UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Locations are where its checks are made, of each slot one in each; none
	// means the one named "default".
	Locations []string `json:"locations,omitempty"`
	// Paused monitors are not checked; each slot is recorded as missed.
	Paused bool `json:"paused,omitempty"`
	Policy
}

// Policy says when a monitor counts as down or up, and who is told.
type Policy struct {
	// FailureThreshold is how many results in a row must be down before the
	// monitor is. Zero means 1.
	FailureThreshold int `json:"failure_threshold,omitempty"`
	// FailureWindow, when it is above the threshold, makes it a part instead of
	// a row: with 3 and 5, three of the last five results must be down.
	FailureWindow int `json:"failure_window,omitempty"`
	// SuccessThreshold is how many results in a row must be up before a
	// monitor that is down is up. Zero means 1.
	SuccessThreshold int `json:"success_threshold,omitempty"`
	// RetryInterval is how long after a result that leaves the thresholds open
	// the next check is made, instead of waiting for the slot. Zero means that
	// the slot is waited for.
	RetryInterval Duration `json:"retry_interval,omitempty"`
	// Quorum is how many of several locations must find the monitor down before
	// it is. Zero means more than half.
	Quorum int `json:"quorum,omitempty"`
	// Flapping says when results change so often that single changes are not
	// announced. Nil means the default, [DefaultFlapping].
	Flapping *Flapping `json:"flapping,omitempty"`
	// CertificateAlerts are how long before its end the certificate that a check
	// has seen is told of. Nil means the default, [CertificateAlerts]; an empty
	// list, never.
	CertificateAlerts []Duration `json:"certificate_alerts,omitzero"`
	// Notify are names of recipients.
	Notify []string `json:"notify,omitempty"`
}

// Flapping says when a monitor is flapping: its results of the last 20 slots
// change from good to bad or back in Enter percent of the 20 possible places,
// later ones counted more than earlier ones, and until they do so in no more
// than Leave percent. An Enter of zero means that the monitor never is.
//
// The rule is that of Nagios, which has proved itself: changes are weighted
// from 0.8 for the oldest to 1.2 for the newest place.
type Flapping struct {
	Enter int `json:"enter"`
	Leave int `json:"leave"`
}

// DefaultFlapping is for monitors that do not say: three outages within the
// last twenty slots, or so, are flapping.
func DefaultFlapping() Flapping { return Flapping{Enter: 30, Leave: 20} }

// CertificateAlerts are the defaults of [Policy].CertificateAlerts: three weeks
// leave time to act, a week is a reminder, and a day the last warning.
func CertificateAlerts() []Duration {
	const day = Duration(24 * time.Hour)
	return []Duration{21 * day, 7 * day, day}
}

// DefaultLocation is the location of monitors and workers that name none.
const DefaultLocation = "default"

// CheckLocations are the locations at which the monitor is checked, at least one.
func (m *Monitor) CheckLocations() []string {
	if len(m.Locations) == 0 {
		return []string{DefaultLocation}
	}
	return m.Locations
}

// MultiLocation tells whether the monitor is checked from several locations, so that it
// is what enough of them find.
func (m *Monitor) MultiLocation() bool { return len(m.Locations) > 1 }

// RequiredVotes is how many locations must find the monitor down before it is: its
// quorum, or else more than half of them.
func (m *Monitor) RequiredVotes() int {
	if m.Quorum > 0 {
		return min(m.Quorum, len(m.CheckLocations()))
	}
	return len(m.CheckLocations())/2 + 1
}

// LocationName names a monitor as it is seen from one of several locations. No
// monitor has such a name.
func LocationName(monitor, location string) string { return monitor + "/" + location }

// CutLocationName is the inverse of []. The location of a name that is
// a monitor's own is empty.
func CutLocationName(name string) (monitor, location string) {
	monitor, location, _ = strings.Cut(name, "/")
	return monitor, location
}

// Slot is a point in time at which a monitor is due, in UTC and whole seconds.
type Slot = time.Time
