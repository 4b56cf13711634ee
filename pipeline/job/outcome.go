package job

import "time"

// Job kinds that people and programs enqueue.
const (
	JobCheck = "check"
	JobMail  = "mail"
)

// Outcome is the final result of an enqueued job. It is stored for two days under
// [OutcomeKey], and sent to a caller that waits.
type Outcome struct {
	V int `json:"v"`
	// Kind is JobCheck or JobMail, ID the job id.
	Kind string    `json:"kind"`
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	// Attempts counts the attempts that the job took.
	Attempts int `json:"attempts"`
	// Exactly one is set: the check's result, the mail's delivery, or the reason
	// why the job failed.
	Check   *Result   `json:"check,omitempty"`
	Mail    *Delivery `json:"mail,omitempty"`
	Failure *Failure  `json:"failure,omitempty"`
}

// Failure is why a job became a dead letter.
type Failure struct {
	Reason Reason `json:"reason"`
	// Error is the error from the last attempt.
	Error string `json:"error"`
}

// OutcomeKey returns the bucket key for the outcome of a job.
func OutcomeKey(kind, id string) string { return kind + "." + id }
