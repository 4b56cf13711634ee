package job

import (
	"strings"
	"time"
)

// Monitor is the definition of one monitored target: the probe, the schedule and
// the recipients. Each definition is stored under its own key; schedulers,
// evaluators and status pages watch them.
type Monitor struct {
	V int `json:"v"`
	// Name identifies the monitor. It is part of subjects and keys, so it must be a
	// [ValidName].
	Name string `json:"name"`
	// Group and Labels are for display, and for routes, silences and maintenance
	// windows to match.
	Group  string            `json:"group,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// DependsOn are monitors that must be up for this one to be up. While one is
	// down, alerts list this monitor under it.
	DependsOn []string `json:"depends_on,omitempty"`
	Spec
	// Interval is the time between slots, at least one second. Exactly one of
	// Interval and Cron is set.
	Interval Duration `json:"interval,omitempty"`
	// Cron is a five-field cron expression, in TimeZone.
	Cron string `json:"cron,omitempty"`
	// TimeZone is an IANA name; empty means UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Locations are where the checks run, one in each location for every slot.
	// Empty means "default".
	Locations []string `json:"locations,omitempty"`
	// Paused stops the checks; each slot is recorded as missed.
	Paused bool `json:"paused,omitempty"`
	Policy
}

// Policy decides when a monitor is down or up, and who is notified.
type Policy struct {
	// FailureThreshold is how many consecutive down results make the monitor
	// down. Zero means 1.
	FailureThreshold int `json:"failure_threshold,omitempty"`
	// FailureWindow, if above the threshold, replaces consecutive results by a
	// window: with threshold 3 and window 5, three results out of five must be
	// down.
	FailureWindow int `json:"failure_window,omitempty"`
	// SuccessThreshold is how many consecutive up results end an outage. Zero
	// means 1.
	SuccessThreshold int `json:"success_threshold,omitempty"`
	// RetryInterval is the delay to an extra check while the thresholds are
	// undecided. Zero means that the next check runs at the next slot.
	RetryInterval Duration `json:"retry_interval,omitempty"`
	// Quorum is how many locations must find the monitor down to make it down.
	// Zero means more than half.
	Quorum int `json:"quorum,omitempty"`
	// Flapping is when results change too often for single changes to be alerts.
	// Nil means [DefaultFlapping].
	Flapping *Flapping `json:"flapping,omitempty"`
	// CertificateAlerts are the times before a certificate's end at which an alert
	// is due. Nil means [CertificateAlerts]; an empty list turns alerts off.
	CertificateAlerts []Duration `json:"certificate_alerts,omitzero"`
	// Notify are recipient names.
	Notify []string `json:"notify,omitempty"`
}

// Flapping has the thresholds for flap detection, in percent. A monitor starts
// flapping when the weighted share of transitions in its last 20 slots reaches
// Enter, and stops when the share falls to Leave. An Enter value of zero turns
// detection off.
//
// The rule comes from Nagios: transition weights grow from 0.8 for the oldest
// slot to 1.2 for the newest.
type Flapping struct {
	Enter int `json:"enter"`
	Leave int `json:"leave"`
}

// DefaultFlapping returns the thresholds for monitors that set none: about three
// outages within twenty slots.
func DefaultFlapping() Flapping { return Flapping{Enter: 30, Leave: 20} }

// CertificateAlerts returns the default for [Policy].CertificateAlerts: three
// weeks leave time to act, a week is a reminder, a day the last warning.
func CertificateAlerts() []Duration {
	const day = Duration(24 * time.Hour)
	return []Duration{21 * day, 7 * day, day}
}

// DefaultLocation is the location for monitors and workers that set none.
const DefaultLocation = "default"

// CheckLocations returns the locations at which the monitor is checked, at least
// one.
func (m *Monitor) CheckLocations() []string {
	if len(m.Locations) == 0 {
		return []string{DefaultLocation}
	}
	return m.Locations
}

// MultiLocation reports whether several locations vote on the monitor's health.
func (m *Monitor) MultiLocation() bool { return len(m.Locations) > 1 }

// RequiredVotes returns how many locations must find the monitor down to make it
// down: the quorum, or more than half.
func (m *Monitor) RequiredVotes() int {
	if m.Quorum > 0 {
		return min(m.Quorum, len(m.CheckLocations()))
	}
	return len(m.CheckLocations())/2 + 1
}

// LocationName returns a name for a monitor as seen from one location. No monitor
// can have such a name.
func LocationName(monitor, location string) string { return monitor + "/" + location }

// CutLocationName is the inverse of [LocationName]. For a plain monitor name the
// location is empty.
func CutLocationName(name string) (monitor, location string) {
	monitor, location, _ = strings.Cut(name, "/")
	return monitor, location
}

// Slot is a time at which a monitor is due, in UTC and whole seconds.
type Slot = time.Time
