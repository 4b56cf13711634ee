package job

import (
	"fmt"
	"slices"
	"time"
)

// Delivery is the delivery status of a mail. It is kept under the mail's id for
// two days and read before each attempt.
type Delivery struct {
	V     int           `json:"v"`
	ID    string        `json:"id"`
	State DeliveryState `json:"state"`
	// At is when the state was written, Relay the relay or Maildir of the last
	// attempt, and Reply the relay's answer or why the attempt failed.
	At    time.Time `json:"at"`
	Relay string    `json:"relay,omitempty"`
	Reply string    `json:"reply,omitempty"`
	// To and Subject are the mail's, for people.
	To      string `json:"to,omitempty"`
	Subject string `json:"subject,omitempty"`
	// NextTry is when a deferred mail is tried again at the earliest, zero if that is
	// not known.
	NextTry time.Time `json:"next_try,omitzero"`
	// DeadSubject is the subject of the mail's dead letter. It is set while the mail
	// is one, and State is then from its last attempt.
	DeadSubject string `json:"dead_subject,omitempty"`
}

// DeliveryState is the state of a [Delivery]. The set is closed: [Decode]
// refuses any other state.
type DeliveryState string

// The delivery states. A mail without a Delivery was never tried.
const (
	// DeliverySending means that an attempt is under way, or with a Reply that
	// its outcome is not known: the mail may have left.
	DeliverySending DeliveryState = "sending"
	// DeliverySent means that a relay or the Maildir has accepted the mail.
	DeliverySent DeliveryState = "sent"
	// DeliveryDeferred means that the last attempt certainly failed. The mail
	// waits for the next one, unless its job became a dead letter.
	DeliveryDeferred DeliveryState = "deferred"
	// DeliveryWithdrawn means that the notifier took the mail back before it
	// left; it is never sent.
	DeliveryWithdrawn DeliveryState = "withdrawn"
)

// DeliveryStates returns all states.
func DeliveryStates() []DeliveryState {
	return []DeliveryState{DeliverySending, DeliverySent, DeliveryDeferred, DeliveryWithdrawn}
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *DeliveryState) UnmarshalText(text []byte) error {
	*s = DeliveryState(text)
	if !slices.Contains(DeliveryStates(), *s) {
		return fmt.Errorf("state: found %q, expected one of %q", *s, DeliveryStates())
	}
	return nil
}

// AttemptLease is how long another worker leaves an attempt alone after its
// start. While a cluster elects a leader, a job may be delivered to a second
// worker before the first one could record that the mail has left.
const AttemptLease = 12 * time.Second

// Final reports whether the mail needs no further attempt: it was sent or
// withdrawn.
func (d Delivery) Final() bool { return d.State == DeliverySent || d.State == DeliveryWithdrawn }

// HeldFor returns how much longer the lease of an attempt under way lasts, or
// zero if there is none. A time far in the future comes from a machine with a
// wrong clock and holds nothing.
func (d Delivery) HeldFor(now time.Time) time.Duration {
	left := d.At.Add(AttemptLease).Sub(now)
	if d.State != DeliverySending || d.Reply != "" || left <= 0 || left > 2*AttemptLease {
		return 0
	}
	return left
}
