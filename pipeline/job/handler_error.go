package job

import (
	"errors"
	"fmt"
	"time"
)

// Reason says why a job became a dead letter. The set is closed, so that
// people can filter by it.
type Reason string

// The reasons.
const (
	ReasonMalformed   Reason = "malformed"   // the bytes are no job
	ReasonUnsupported Reason = "unsupported" // a job of a newer version, parked until a newer process lives
	ReasonInvalid     Reason = "invalid"     // a job that can never be done as it is
	ReasonPermanent   Reason = "permanent"   // the other side refused for good
	ReasonExpired     Reason = "expired"     // its not_after passed
	ReasonGivenUp     Reason = "given_up"    // tried until the stage's limit
	ReasonPanic       Reason = "panic"       // the handler panicked each time
	ReasonStranded    Reason = "stranded"    // the server gave up on it, because its consumer was changed by hand
	// ReasonForbidden: the installation does not allow it.
	ReasonForbidden Reason = "forbidden"
)

// Reasons lists them all.
func Reasons() []Reason {
	return []Reason{
		ReasonMalformed, ReasonUnsupported, ReasonInvalid, ReasonPermanent,
		ReasonExpired, ReasonGivenUp, ReasonPanic, ReasonStranded, ReasonForbidden,
	}
}

// DeadError ends a job as a dead letter. Make it with [Dead].
type DeadError struct {
	Reason Reason
	Err    error
}

// Error tells the reason and the cause.
func (e *DeadError) Error() string { return fmt.Sprintf("%s: %v", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *DeadError) Unwrap() error { return e.Err }

// Dead returns an error by which a handler ends its job as a dead letter.
func Dead(reason Reason, err error) error { return &DeadError{Reason: reason, Err: err} }

// RetryError asks for another attempt after a time of the handler's choosing.
// Make it with [RetryIn] or [Interrupted].
type RetryError struct {
	After time.Duration
	// Uncounted means that the attempt does not count: nothing of the job was tried.
	Uncounted bool
	Err       error
}

// Error tells when the job is tried again, and the cause.
func (e *RetryError) Error() string { return fmt.Sprintf("retry in %s: %v", e.After, e.Err) }

// Unwrap returns the cause.
func (e *RetryError) Unwrap() error { return e.Err }

// RetryIn returns an error by which a handler asks for another attempt after d,
// instead of the time that the stage's curve would give.
func RetryIn(err error, d time.Duration) error { return &RetryError{After: d, Err: err} }

// Interrupted returns an error by which a handler gives its job back after d
// without an attempt being counted: it was not the job's fault.
func Interrupted(err error, d time.Duration) error {
	return &RetryError{After: d, Uncounted: true, Err: err}
}

// DeadFor turns an error of [Decode] into the dead letter that it deserves,
// and returns any other error as it is, [ErrNewer] too: such a job is not dead,
// but for somebody else.
func DeadFor(err error) error {
	if errors.Is(err, ErrMalformed) {
		return Dead(ReasonMalformed, err)
	}
	return err
}
