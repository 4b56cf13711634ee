package mail

import (
	"errors"
	"fmt"
	"time"

	"vedette/pipeline/job"
)

// Error is why a mail was not sent.
type Error struct {
	Verdict

	// Relay is who was tried: host and port, or a Maildir.
	Relay string
	// RetryAfter is how long it is of no use to try again, for the classes relay
	// and config; a default holds if it is zero.
	RetryAfter time.Duration
}

// Error tells the relay, the stage and the cause: the relay's words or what
// broke.
func (e *Error) Error() string {
	cause := any(e.Err)
	if e.Reply.Code != 0 {
		cause = e.Reply
	}
	return fmt.Sprintf("send mail through %s: %s: %v", e.Relay, e.Stage, cause)
}

// Unwrap returns what broke, or nil if a reply decided.
func (e *Error) Unwrap() error { return e.Err }

const (
	// relayDelay and configDelay are how long a mail waits when a relay is away
	// or misconfigured: short, because the relay itself rests after failures
	// and a mail that comes too early costs no connection; and long, because
	// relays lock accounts that fail to log in again and again.
	relayDelay  = time.Second
	configDelay = time.Minute
)

// JobError turns an error of a [Transport] into what should become of the job:
//
//	delivered   nil         done
//	temporary   plain error an attempt; tried again by the stage's curve
//	relay       Interrupted no attempt; 1 s, or when the relay has rested
//	config      Interrupted no attempt; 1 min, or when the relay has rested
//	permanent   Dead        dead letter "permanent", with the relay's words
//	unknown     plain error an attempt; the same bytes are sent again
//
// A mail that cannot be built ([ErrInvalid]) is a dead letter "invalid". An
// error of no known kind is an attempt.
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
	case ClassTemporary, ClassUnknown:
		return err
	default:
		return err
	}
}
