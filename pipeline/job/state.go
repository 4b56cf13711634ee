package job

import (
	"cmp"
	"time"
)

// State is what is known of one monitor that is, or was, not simply up. One
// write of it is both the new state and the outbox entry for the notifier: a
// write that carries an Event announces it.
type State struct {
	V       int    `json:"v"`
	Monitor string `json:"monitor"`
	// Location is set in what is known from one of several locations.
	Location string `json:"location,omitempty"`
	// Health is pending, up or down.
	Health Health `json:"health"`
	// Since is the slot at which Health began.
	Since time.Time `json:"since,omitzero"`
	// Slot is the newest slot that this state has judged; results of it and of
	// earlier ones change nothing.
	Slot Slot `json:"slot"`
	// Failures and Successes count results in a row, up to the threshold that
	// would change Health.
	Failures  int `json:"failures,omitempty"`
	Successes int `json:"successes,omitempty"`
	// Window is the last results of a monitor that is judged by a part of them,
	// oldest first: u for up, d for down.
	Window string `json:"window,omitempty"`
	// FirstFailure is the slot of the first failure of the present row.
	FirstFailure time.Time `json:"first_failure,omitzero"`
	// LastUp is the newest slot known to be up.
	LastUp time.Time `json:"last_up,omitzero"`
	// DegradedStreak and Wells count degraded and good results in a row, as far as
	// they are on the way to or from being degraded.
	DegradedStreak int `json:"degraded_streak,omitempty"`
	OKStreak       int `json:"ok_streak,omitempty"`
	// Transitions are the slots of the last twenty at which results changed from good
	// to bad or back, oldest first, in seconds of Unix time.
	Transitions []int64 `json:"transitions,omitempty"`
	// MissedSlots counts the slots without a result since the last one, up to what
	// makes a monitor blind; Missed is the newest of them.
	MissedSlots int       `json:"missed_slots,omitempty"`
	LastMissed  time.Time `json:"last_missed,omitzero"`
	// Certificate is the one that was told of, nil while none ends soon.
	Certificate *Certificate `json:"certificate,omitempty"`
	// Recent are the last results that did not go by as simply good, oldest
	// first, at most [MaxRecent].
	Recent []Sample `json:"recent,omitempty"`
	// Incident is the present one, nil while the monitor is not down. The
	// others are those of the other conditions.
	Incident *Incident `json:"incident,omitempty"`
	Degraded *Incident `json:"degraded,omitempty"`
	Flapping *Incident `json:"flapping,omitempty"`
	NoData   *Incident `json:"no_data,omitempty"`
	// Locations are what is known from each location of a monitor that has
	// several, in the definition's order. They have no events of their own: what
	// is to be told of a location is among those of the monitor.
	Locations []State `json:"locations,omitempty"`
	// Events are the latest transitions, oldest first, at most [MaxEvents]: a
	// reader that missed a write still finds them in the next. Sequence is how
	// many there ever were.
	Events   []Event `json:"events,omitempty"`
	Sequence int     `json:"sequence,omitempty"`
	// Removed says that the monitor is no longer defined.
	Removed bool `json:"removed,omitempty"`
}

// Bounds of what a [State] remembers.
const (
	MaxEvents = 8
	MaxRecent = 5
)

// Open returns the incidents that have not ended, those of locations that are
// blind among them.
func (s *State) Open() []*Incident {
	var open []*Incident
	for _, incident := range []*Incident{s.Incident, s.Degraded, s.Flapping, s.NoData} {
		if incident != nil {
			open = append(open, incident)
		}
	}
	for i := range s.Locations {
		if blind := s.Locations[i].NoData; blind != nil {
			open = append(open, blind)
		}
	}
	return open
}

// Certificate is how far somebody was told of the end of a certificate.
type Certificate struct {
	Expires time.Time `json:"expires"`
	// Alerted is the alert that was given, of those in [Policy].CertificateAlerts.
	Alerted Duration `json:"alerted"`
}

// Sample is a result in short, for people.
type Sample struct {
	Slot Slot `json:"slot"`
	// Location is set for a monitor that has several.
	Location string   `json:"location,omitempty"`
	Health   Health   `json:"health"`
	Cause    string   `json:"cause,omitempty"`
	Latency  Duration `json:"latency,omitempty"`
}

// Condition is what an incident is about. A monitor has at most one open
// incident of each.
type Condition string

// The conditions.
const (
	ConditionDown     Condition = "down"
	ConditionDegraded Condition = "degraded"
	// ConditionFlapping: results change so often that single changes say little.
	ConditionFlapping Condition = "flapping"
	// ConditionNoData: there are no results, so nobody knows. It is told to the
	// operators, not to the monitor's recipients.
	ConditionNoData Condition = "no_data"
	// ConditionCertificate: a certificate ends soon. It is told once and has no
	// end.
	ConditionCertificate Condition = "certificate"
)

// Incident is one time of being in a condition.
type Incident struct {
	// ID is a function of the monitor, the condition and the slot at which it
	// began, so that every evaluator gives the same incident the same id.
	ID        string    `json:"id"`
	Condition Condition `json:"condition"`
	Monitor   string    `json:"monitor"`
	Target    string    `json:"target,omitempty"`
	// Location is where its checks are made: for one that is found by several
	// locations together their names, with commas between.
	Location string `json:"location,omitempty"`
	// Group, Labels and DependsOn are those of the monitor at the time.
	Group     string            `json:"group,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	DependsOn []string          `json:"depends_on,omitempty"`
	// Period is the time from slot to slot.
	Period Duration `json:"period,omitempty"`
	// Began is the slot of the first failure, or whatever began the condition.
	Began time.Time `json:"began"`
	// LastUp is the newest slot known to be up before; zero when there is none.
	LastUp time.Time `json:"last_up,omitzero"`
	// ProbeResult is the one that began the condition.
	ProbeResult ProbeResult `json:"probe_result,omitzero"`
	// Failures is how many failures, in a row or in the window, made it down.
	Failures int `json:"failures,omitempty"`
	// Recent are the results before, oldest first.
	Recent []Sample `json:"recent,omitempty"`
	// Votes are what each of several locations found, and Needed how many of them
	// had to; zero when there are no others. What is of one of them has no votes.
	Votes  []Vote `json:"votes,omitempty"`
	Quorum int    `json:"quorum,omitempty"`
	// Reason is why a blind monitor has no results.
	Reason string `json:"reason,omitempty"`
	// Notify are the recipients at the time; they hear of the end too,
	// whatever the definition says by then.
	Notify []string `json:"notify,omitempty"`
}

// OfOneLocation tells whether an incident is of one of several locations alone, and not
// of what they find together.
func (i *Incident) OfOneLocation() bool { return i.Quorum > 0 && len(i.Votes) == 0 }

// Vote is what a monitor is as seen from one of several locations.
type Vote struct {
	Location string `json:"location"`
	// Health is unknown for a location that is blind.
	Health Health `json:"health"`
	// Cause is why it is down, degraded or blind.
	Cause string `json:"cause,omitempty"`
}

// Votes are what the locations of a monitor that has several find, in their
// order; none of one that has not.
func (s *State) Votes() []Vote {
	var votes []Vote
	for i := range s.Locations {
		own := &s.Locations[i]
		v := Vote{Location: own.Location, Health: cmp.Or(own.Health, Pending)}
		switch {
		case own.NoData != nil:
			v.Health, v.Cause = Unknown, own.NoData.Reason
		case own.Incident != nil:
			v.Cause = cmp.Or(own.Incident.ProbeResult.Cause, string(own.Incident.ProbeResult.Class))
		case own.Degraded != nil:
			v.Health, v.Cause = Degraded, cmp.Or(own.Degraded.ProbeResult.Cause, string(own.Degraded.ProbeResult.Class))
		}
		votes = append(votes, v)
	}
	return votes
}

// EventKind is a kind of transition.
type EventKind string

// The kinds of event, each the beginning or the end of a condition.
const (
	EventDown EventKind = "down"
	EventUp   EventKind = "up"
	// EventRemoved: the monitor was removed while the condition lasted.
	EventRemoved  EventKind = "removed"
	EventDegraded EventKind = "degraded"
	// EventWell: no longer degraded.
	EventWell     EventKind = "well"
	EventFlapping EventKind = "flapping"
	// EventSettled: no longer flapping.
	EventSettled EventKind = "settled"
	EventBlind   EventKind = "blind"
	// EventSeen: no longer blind.
	EventSeen        EventKind = "seen"
	EventCertificate EventKind = "certificate"
)

// Begins tells whether an event of this kind begins a condition.
func (k EventKind) Begins() bool {
	switch k {
	case EventDown, EventDegraded, EventFlapping, EventBlind, EventCertificate:
		return true
	case EventUp, EventRemoved, EventWell, EventSettled, EventSeen:
		return false
	default:
		return false
	}
}

// Event is a transition of one monitor.
type Event struct {
	// ID is the incident's id and the kind: the same transition has the same
	// id, however often it is derived.
	ID string `json:"id"`
	// Sequence numbers the events of a monitor, from 1.
	Sequence int       `json:"sequence"`
	Kind     EventKind `json:"kind"`
	// At is the slot that made the transition.
	At       time.Time `json:"at"`
	Incident Incident  `json:"incident"`
	// ProbeResult is the one that ended the incident; nil for a beginning, and where
	// there is none.
	ProbeResult *ProbeResult `json:"probe_result,omitempty"`
}
