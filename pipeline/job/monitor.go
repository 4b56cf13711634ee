package job

import "time"

// Monitor is the definition of one thing that is watched: what to check, when,
// and who hears of it. Definitions are stored one to a key; schedulers,
// evaluators and pages watch them.
type Monitor struct {
	V int `json:"v"`
	// Name identifies the monitor: 1 to 128 of A-Z a-z 0-9 _ - and single dots
	// between them, because it is part of subjects and keys.
	Name string `json:"name"`
	Spec
	// Interval is the time from slot to slot, a second or more. Exactly one of
	// Interval and Cron is set.
	Interval Duration `json:"interval,omitempty"`
	// Cron is a five-field cron expression, in the zone of TimeZone.
	Cron string `json:"cron,omitempty"`
	// TimeZone is an IANA name; empty means UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Location is where the check runs; empty means "default".
	Location string `json:"location,omitempty"`
	Policy
}

// Policy says when a monitor counts as down or up, and who is told.
type Policy struct {
	// FailureThreshold is how many results in a row must be down before the
	// monitor is. Zero means 1.
	FailureThreshold int `json:"failure_threshold,omitempty"`
	// SuccessThreshold is how many results in a row must be up before a
	// monitor that is down is up. Zero means 1.
	SuccessThreshold int `json:"success_threshold,omitempty"`
	// Notify are names of recipients.
	Notify []string `json:"notify,omitempty"`
}

// DefaultLocation is the location of monitors and workers that name none.
const DefaultLocation = "default"

// Recipient is who gets mail: a name, and the addresses behind it. It is
// stored beside the monitors, so that changing an address touches no monitor.
type Recipient struct {
	V         int      `json:"v"`
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
}

// Slot is a point in time at which a monitor is due, in UTC and whole seconds.
type Slot = time.Time
