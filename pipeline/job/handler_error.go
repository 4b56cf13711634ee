package job

import (
	"errors"
	"fmt"
	"time"
)

// Reason is why a job became a dead letter. The set is closed, so that people can
// filter by it.
type Reason string

// The reasons.
const (
	ReasonMalformed   Reason = "malformed"   // the bytes are not a job
	ReasonUnsupported Reason = "unsupported" // a job of a newer version, parked until a newer process runs
	ReasonInvalid     Reason = "invalid"     // the job can never succeed as it is
	ReasonPermanent   Reason = "permanent"   // the other side refused for good
	ReasonExpired     Reason = "expired"     // not_after passed
	ReasonGivenUp     Reason = "given_up"    // the stage's time limit for retries passed
	ReasonPanic       Reason = "panic"       // the handler panicked at each attempt
	ReasonStranded    Reason = "stranded"    // the server gave up after a manual change to the consumer
	ReasonForbidden   Reason = "forbidden"   // the installation does not allow the job
	ReasonUndelivered Reason = "undelivered" // the server held the job and delivered it to no process; it is replayed automatically
)

// Reasons lists all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonMalformed, ReasonUnsupported, ReasonInvalid, ReasonPermanent,
		ReasonExpired, ReasonGivenUp, ReasonPanic, ReasonStranded, ReasonForbidden, ReasonUndelivered,
	}
}

// DeadError makes a job a dead letter. Create it with [Dead].
type DeadError struct {
	Reason Reason
	Err    error
}

// Error returns the reason and the cause.
func (e *DeadError) Error() string { return fmt.Sprintf("%s: %v", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *DeadError) Unwrap() error { return e.Err }

// Dead returns an error by which a handler makes its job a dead letter.
func Dead(reason Reason, err error) error { return &DeadError{Reason: reason, Err: err} }

// RetryError asks for another attempt after a delay that the handler chooses.
// Create it with [RetryIn] or [Interrupted].
type RetryError struct {
	After time.Duration
	// Uncounted attempts do not count: the handler did not try the job.
	Uncounted bool
	Err       error
}

// Error returns the delay and the cause.
func (e *RetryError) Error() string { return fmt.Sprintf("retry in %s: %v", e.After, e.Err) }

// Unwrap returns the cause.
func (e *RetryError) Unwrap() error { return e.Err }

// RetryIn returns an error by which a handler asks for another attempt after d
// instead of the stage's backoff.
func RetryIn(err error, d time.Duration) error { return &RetryError{After: d, Err: err} }

// Interrupted returns an error by which a handler returns its job to the queue
// for d without counting an attempt.
func Interrupted(err error, d time.Duration) error {
	return &RetryError{After: d, Uncounted: true, Err: err}
}

// DeadFor converts an [ErrMalformed] from [Decode] into a dead letter. Other
// errors stay as they are; [ErrNewer] leaves the job to a newer process.
func DeadFor(err error) error {
	if errors.Is(err, ErrMalformed) {
		return Dead(ReasonMalformed, err)
	}
	return err
}

// ErrConflict is returned by stores of states and logs for a value that changed
// since it was read. Read it again and decide again.
var ErrConflict = errors.New("value was changed in the meantime")

// Problem is a mistake in a definition: what was found, and what was expected in
// its place.
type Problem struct { //nolint:errname // mostly a value in lists
	// Path leads to the value, in the words of files and messages: "expect[1]",
	// "http.url", "tcp.dialogue[2].expect". It is empty for the whole, and in an
	// error whose caller knows the path.
	Path string
	// Found and Expected show no secret.
	Found, Expected string
}

// Error returns "found …, expected …".
func (p Problem) Error() string { return "found " + p.Found + ", expected " + p.Expected }
