package job

import "time"

// Kinds of job that people and programs order.
const (
	OrderCheck = "check"
	OrderMail  = "mail"
)

// Answer says what became of a job that somebody ordered. It is kept for two
// days under "check." or "mail." and the job's id, and sent to a caller who
// waits for it.
type Answer struct {
	V int `json:"v"`
	// Order is OrderCheck or OrderMail, ID what it was ordered under.
	Order string    `json:"order"`
	ID    string    `json:"id"`
	At    time.Time `json:"at"`
	// Attempts is how many it took.
	Attempts int `json:"attempts"`
	// Exactly one of these is set: what a check found, what became of a mail, or
	// why the job could not be done.
	Check *Result `json:"check,omitempty"`
	Mail  *Sent   `json:"mail,omitempty"`
	Dead  *Death  `json:"dead,omitempty"`
}

// Death is why a job could not be done.
type Death struct {
	Reason Reason `json:"reason"`
	// Error is what the last attempt said.
	Error string `json:"error"`
}

// AnswerKey is where the answer to an order is kept.
func AnswerKey(order, id string) string { return order + "." + id }
