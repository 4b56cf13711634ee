package job

import "time"

// EventKind says what happened to an incident. What began or ended is the
// incident's own [Condition].
type EventKind string

// The kinds of event.
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
