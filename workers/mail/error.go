package mail

import (
	"errors"
	"fmt"
	"time"

	"vedette/pipeline/job"
)

// problems collects what is invalid in a mail or a configuration.
type problems []error

// require adds a problem unless a condition is met.
func (p *problems) require(met bool, format string, args ...any) {
	if !met {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

// Error describes an attempt that did not deliver its mail.
type Error struct {
	Verdict

	// Relay is the relay that was tried, as host:port, or a Maildir.
	Relay string
	// RetryAfter is how long another attempt is pointless, for the classes relay
	// and config; zero means a default.
	RetryAfter time.Duration
}

// Error returns the relay, the stage and the cause: the relay's reply or the
// failure of the connection.
func (e *Error) Error() string {
	cause := any(e.Err)
	if e.Reply.Code != 0 {
		cause = e.Reply
	}
	return fmt.Sprintf("send mail through %s: %s: %v", e.Relay, e.Stage, cause)
}

// Unwrap returns the failure of the connection, or nil if a reply decided.
func (e *Error) Unwrap() error { return e.Err }

const (
	// relayDelay is short, because the circuit breaker keeps an early retry from
	// opening a connection. configDelay is long, because relays lock accounts
	// after repeated login failures.
	relayDelay  = time.Second
	configDelay = time.Minute
)

// JobError turns an error from a [Transport] into the error by which a handler
// ends or retries its job:
//
//	delivered   nil           done
//	temporary   plain error   counts as an attempt; retried with the stage's backoff
//	relay       Interrupted   no attempt; retried after 1 s or the breaker's open time
//	config      Interrupted   no attempt; retried after 1 min or the breaker's open time
//	permanent   Dead          dead letter "permanent" with the relay's reply
//	unknown     plain error   counts as an attempt; the same bytes are sent again
//
// A mail that cannot be built ([ErrInvalid]) becomes a dead letter "invalid".
// Any other error counts as an attempt.
func JobError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrInvalid) {
		return job.Dead(job.ReasonInvalid, err)
	}
	failed, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch failed.Class {
	case ClassDelivered:
		return nil
	case ClassRelay:
		return job.Interrupted(err, max(failed.RetryAfter, relayDelay))
	case ClassConfig:
		return job.Interrupted(err, max(failed.RetryAfter, configDelay))
	case ClassPermanent:
		return job.Dead(job.ReasonPermanent, err)
	default: // counts as an attempt
		return err
	}
}
