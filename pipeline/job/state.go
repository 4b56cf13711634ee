package job

import "time"

// State is what is known of one monitor that is, or was, not simply up. One
// write of it is both the new state and the outbox entry for the notifier: a
// write that carries an Event announces it.
type State struct {
	V       int    `json:"v"`
	Monitor string `json:"monitor"`
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
	// FirstFailure is the slot of the first failure of the present row.
	FirstFailure time.Time `json:"first_failure,omitzero"`
	// LastGood is the newest slot known to be up.
	LastGood time.Time `json:"last_good,omitzero"`
	// Incident is the present one, nil while the monitor is not down.
	Incident *Incident `json:"incident,omitempty"`
	// Events are the latest transitions, oldest first, at most [MaxEvents]: a
	// reader that missed a write still finds them in the next.
	Events []Event `json:"events,omitempty"`
	// Removed says that the monitor is no longer defined.
	Removed bool `json:"removed,omitempty"`
}

// MaxEvents is how many transitions a [State] remembers.
const MaxEvents = 8

// Incident is one time of being down.
type Incident struct {
	// ID is a function of the monitor and the slot of the first failure, so
	// that every evaluator gives the same incident the same id.
	ID      string `json:"id"`
	Monitor string `json:"monitor"`
	Target  string `json:"target,omitempty"`
	// Began is the slot of the first failure.
	Began time.Time `json:"began"`
	// LastGood is the newest slot known to be up before; zero when there is none.
	LastGood time.Time `json:"last_good,omitzero"`
	// Outcome is the one that made the monitor down.
	Outcome Outcome `json:"outcome"`
	// Failures is how many failures in a row made it down.
	Failures int `json:"failures"`
	// Notify are the recipients at the time; they hear of the end too,
	// whatever the definition says by then.
	Notify []string `json:"notify,omitempty"`
}

// EventKind is a kind of transition.
type EventKind string

// The kinds of event.
const (
	EventDown EventKind = "down"
	EventUp   EventKind = "up"
	// EventRemoved: the monitor was removed while it was down.
	EventRemoved EventKind = "removed"
)

// Event is a transition of one monitor.
type Event struct {
	// ID is the incident's id and the kind: the same transition has the same
	// id, however often it is derived.
	ID   string    `json:"id"`
	Kind EventKind `json:"kind"`
	// At is the slot that made the transition.
	At       time.Time `json:"at"`
	Incident Incident  `json:"incident"`
	// Outcome is the one that ended the incident; nil for down and removed.
	Outcome *Outcome `json:"outcome,omitempty"`
}
