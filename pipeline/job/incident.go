package job

import "time"

// Condition is what an incident is about. A monitor has at most one open
// incident for each condition.
type Condition string

// The conditions.
const (
	ConditionDown     Condition = "down"
	ConditionDegraded Condition = "degraded"
	// ConditionFlapping: results change too often for single changes to matter.
	ConditionFlapping Condition = "flapping"
	// ConditionNoData: there are no results, so the health is not known. The
	// operators are notified, not the monitor's recipients.
	ConditionNoData Condition = "no_data"
	// ConditionCertificate: a certificate expires soon. It is notified once and
	// has no end.
	ConditionCertificate Condition = "certificate"
)

// Incident is one period in a condition.
type Incident struct {
	// ID is a function of the monitor, the condition and the slot at which it
	// began, so that every evaluator derives the same id for the same incident.
	ID        string    `json:"id"`
	Condition Condition `json:"condition"`
	Monitor   string    `json:"monitor"`
	Target    string    `json:"target,omitempty"`
	// Location is where the checks are made; several names, separated by commas,
	// when several locations found the incident together.
	Location string `json:"location,omitempty"`
	// Group, Labels and DependsOn are the monitor's at that time.
	Group     string            `json:"group,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	DependsOn []string          `json:"depends_on,omitempty"`
	// Period is the time between slots.
	Period Duration `json:"period,omitempty"`
	// Began is the slot with the first failure, or the first other result that
	// led to the condition.
	Began time.Time `json:"began"`
	// LastUp is the last slot known to be up before; zero for none.
	LastUp time.Time `json:"last_up,omitzero"`
	// ProbeResult is the result that began the condition.
	ProbeResult ProbeResult `json:"probe_result,omitzero"`
	// Failures is how many failures, consecutive or in the window, made it down.
	Failures int `json:"failures,omitempty"`
	// Recent are the results before, oldest first.
	Recent []Sample `json:"recent,omitempty"`
	// Votes are what each location found and Quorum how many had to agree; both
	// are zero for a monitor with a single location. An incident at one of
	// several locations has a quorum and no votes.
	Votes  []Vote `json:"votes,omitempty"`
	Quorum int    `json:"quorum,omitempty"`
	// Reason is why there is no data, Detail the cause as text.
	Reason MissReason `json:"reason,omitempty"`
	Detail string     `json:"detail,omitempty"`
	// Notify are the recipients at that time; they are notified about the end
	// too, whatever the definition says by then.
	Notify []string `json:"notify,omitempty"`
}

// OfOneLocation reports whether an incident belongs to one of several
// locations, and not to their vote.
func (i *Incident) OfOneLocation() bool { return i.Quorum > 0 && len(i.Votes) == 0 }

// Vote is a monitor's health as seen from one of several locations.
type Vote struct {
	Location string `json:"location"`
	// Health is unknown for a location without data.
	Health Health `json:"health"`
	// Cause is why it is down or degraded.
	Cause string `json:"cause,omitempty"`
	// Reason and Detail are why there is no data.
	Reason MissReason `json:"reason,omitempty"`
	Detail string     `json:"detail,omitempty"`
}

// EventKind says what happened to an incident. What began or ended is the
// incident's own [Condition].
type EventKind string

// The event kinds.
const (
	EventBegan EventKind = "began"
	EventEnded EventKind = "ended"
	// EventRemoved ends an incident because its monitor is no longer defined, or
	// no longer checked from its location.
	EventRemoved EventKind = "removed"
)

// EventID identifies the event of a kind on an incident, so that every
// evaluator derives the same id for the same event.
func EventID(incident string, kind EventKind) string { return incident + "-" + string(kind) }

// Event is a transition of one monitor.
type Event struct {
	// ID is [EventID]'s.
	ID string `json:"id"`
	// Sequence numbers the events of a monitor, from 1.
	Sequence int       `json:"sequence"`
	Kind     EventKind `json:"kind"`
	// At is the slot that made the transition.
	At       time.Time `json:"at"`
	Incident Incident  `json:"incident"`
	// ProbeResult is the one that ended the incident; nil for a beginning, and
	// for an end without a result.
	ProbeResult *ProbeResult `json:"probe_result,omitempty"`
}
