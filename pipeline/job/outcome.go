package job

import "time"

// Kinds of job that people and programs order.
const (
	JobCheck = "check"
	JobMail  = "mail"
)

// Outcome says what became of a job that somebody ordered. It is kept for two
// days under "check." or "mail." and the job's id, and sent to a caller who
// waits for it.
type Outcome struct {
	V int `json:"v"`
	// Kind is OrderCheck or OrderMail, ID what it was ordered under.
	Kind string    `json:"kind"`
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	// Attempts is how many it took.
	Attempts int `json:"attempts"`
	// Exactly one of these is set: what a check found, what became of a mail, or
	// why the job could not be done.
	Check   *Result   `json:"check,omitempty"`
	Mail    *Delivery `json:"mail,omitempty"`
	Failure *Failure  `json:"failure,omitempty"`
}

// Failure is why a job could not be done.
type Failure struct {
	Reason Reason `json:"reason"`
	// Error is what the last attempt said.
	Error string `json:"error"`
}

// OutcomeKey is where the answer to an order is kept.
func OutcomeKey(order, id string) string { return order + "." + id }
