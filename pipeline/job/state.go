package job

import (
	"cmp"
	"slices"
	"time"
)

// State is what is known about a monitor that is, or was, not simply up. A
// write with a new [Event] is also the notifier's outbox entry: state and event
// are stored together or not at all.
type State struct {
	V       int    `json:"v"`
	Monitor string `json:"monitor"`
	// Location is set in the state of one of several locations.
	Location string `json:"location,omitempty"`
	// Health is pending, up or down.
	Health Health `json:"health"`
	// Since is the slot at which Health began.
	Since time.Time `json:"since,omitzero"`
	// Slot is the newest slot evaluated; results for it and for earlier slots
	// change nothing.
	Slot Slot `json:"slot"`
	// Failures and Successes count consecutive results, up to the threshold that
	// would change Health.
	Failures  int `json:"failures,omitempty"`
	Successes int `json:"successes,omitempty"`
	// Window holds the last results of a monitor with a failure window, oldest
	// first: u for up, d for down.
	Window string `json:"window,omitempty"`
	// FirstFailure is the slot with the first consecutive failure.
	FirstFailure time.Time `json:"first_failure,omitzero"`
	// LastUp is the newest slot known to be up.
	LastUp time.Time `json:"last_up,omitzero"`
	// DegradedStreak and OKStreak count consecutive degraded and good results on
	// the way to and from degraded.
	DegradedStreak int `json:"degraded_streak,omitempty"`
	OKStreak       int `json:"ok_streak,omitempty"`
	// Transitions are the slots, among the last twenty, at which results changed
	// between good and bad, oldest first, in seconds since the Unix epoch.
	Transitions []int64 `json:"transitions,omitempty"`
	// MissedSlots counts the slots without a result since the last one,
	// LastMissed is the newest of them.
	MissedSlots int       `json:"missed_slots,omitempty"`
	LastMissed  time.Time `json:"last_missed,omitzero"`
	// AwayUntil is the newest slot that was missed because Vedette itself was away:
	// such slots say nothing about the monitor, and do not count.
	AwayUntil time.Time `json:"away_until,omitzero"`
	// Certificate is the last certificate alert, nil while none expires soon.
	Certificate *Certificate `json:"certificate,omitempty"`
	// Recent are the last notable results, oldest first, at most [MaxRecent].
	Recent []Sample `json:"recent,omitempty"`
	// Incident is the open down incident, nil while the monitor is not down;
	// the others are the open incidents of the other conditions.
	Incident *Incident `json:"incident,omitempty"`
	// LatestFailure is a later failure than the one that began the open down
	// incident, from when the cause last changed; nil while it did not.
	LatestFailure *LatestFailure `json:"latest_failure,omitempty"`
	Degraded      *Incident      `json:"degraded,omitempty"`
	Flapping      *Incident      `json:"flapping,omitempty"`
	NoData        *Incident      `json:"no_data,omitempty"`
	// Locations are the states of several locations, in the definition's order.
	// Their events, where they matter, are among the monitor's.
	Locations []State `json:"locations,omitempty"`
	// Events are the latest transitions, oldest first, at most [MaxEvents], so
	// that a reader that missed a write finds them in the next. Sequence counts
	// all transitions so far.
	Events   []Event `json:"events,omitempty"`
	Sequence int     `json:"sequence,omitempty"`
	// Removed reports that the monitor is no longer defined.
	Removed bool `json:"removed,omitempty"`
}

// LatestFailure is a failure while a monitor is down.
type LatestFailure struct {
	Slot        Slot        `json:"slot"`
	ProbeResult ProbeResult `json:"probe_result"`
}

// Bounds on a [State].
const (
	MaxEvents = 8
	MaxRecent = 5
)

// Open returns the open incidents, including locations without data.
func (s *State) Open() []*Incident {
	open := []*Incident{s.Incident, s.Degraded, s.Flapping, s.NoData}
	for i := range s.Locations {
		open = append(open, s.Locations[i].NoData)
	}
	return slices.DeleteFunc(open, func(i *Incident) bool { return i == nil })
}

// Certificate is the last alert about a certificate.
type Certificate struct {
	Expires time.Time `json:"expires"`
	// Alerted is which of [Policy].CertificateAlerts was given.
	Alerted Duration `json:"alerted"`
}

// Sample is a result in short, for people.
type Sample struct {
	Slot Slot `json:"slot"`
	// Location is set for a monitor with several.
	Location string   `json:"location,omitempty"`
	Health   Health   `json:"health"`
	Cause    string   `json:"cause,omitempty"`
	Latency  Duration `json:"latency,omitempty"`
}

// Votes returns what each of several locations finds, in their order; none for a
// monitor with a single location.
func (s *State) Votes() []Vote {
	var votes []Vote
	for i := range s.Locations {
		own := &s.Locations[i]
		v := Vote{Location: own.Location, Health: cmp.Or(own.Health, Pending)}
		switch {
		case own.NoData != nil:
			v.Health, v.Reason, v.Detail = Unknown, own.NoData.Reason, own.NoData.Detail
		case own.Incident != nil:
			result := &own.Incident.ProbeResult
			if own.LatestFailure != nil {
				result = &own.LatestFailure.ProbeResult
			}
			v.Cause = cmp.Or(result.Cause, string(result.Class))
		case own.Degraded != nil:
			v.Health, v.Cause = Degraded, cmp.Or(own.Degraded.ProbeResult.Cause, string(own.Degraded.ProbeResult.Class))
		}
		votes = append(votes, v)
	}
	return votes
}
