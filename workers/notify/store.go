package notify

import (
	"context"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Entry is a key and its value in a [Store]. The revision of a missing key is
// zero.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
}

// Store holds notification logs and groups, under keys of tokens separated by
// dots.
type Store interface {
	// Load returns the keys that match a filter, in which a token may be "*" for
	// any token, and the last one ">" for any number of tokens.
	Load(ctx context.Context, filter string) ([]Entry, error)
	// Get reads a key. A missing key is no error.
	Get(ctx context.Context, key string) (Entry, error)
	// Swap writes a key if its revision is still the given one, and returns the
	// new revision; otherwise the error is [job.ErrConflict].
	Swap(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
}

// Outbox enqueues mails. A mail with a known id is no error, and is not enqueued
// again.
type Outbox interface {
	Enqueue(ctx context.Context, m job.Mail, operators bool) error
}

// Deliveries knows the delivery states of mails.
type Deliveries interface {
	// Delivery returns the state of a mail, and whether any is known.
	Delivery(ctx context.Context, id string) (job.Delivery, bool, error)
	// Withdraw withdraws a mail unless it was sent or is being sent, and returns
	// its state after that.
	Withdraw(ctx context.Context, id string, at time.Time) (job.Delivery, error)
}

// Timers call back at a time, in whichever process is alive then.
type Timers interface {
	// SetTimer has [Notifier.Flush] or [Notifier.Sweep] called at a time, or soon
	// when it has passed. Setting a timer again moves it.
	SetTimer(ctx context.Context, kind, id string, at time.Time) error
}

// The kinds of timer.
const (
	TimerFlush = "flush"
	TimerSweep = "sweep"
)

// pair is an address and a monitor, in one role: for alerts, or for mails to
// operators. Everything that an address must be notified about belongs to a
// pair; groups only decide which pairs share a mail.
type pair struct {
	address   string // its token in keys
	operators bool
	monitor   string
}

// The tokens for roles in keys.
const (
	alertsToken    = "alerts"
	operatorsToken = "operators"
)

// addressToken identifies an address in keys.
func addressToken(address string) string { return job.DeriveID("address", AddressKey(address)) }

func (p pair) role() string {
	if p.operators {
		return operatorsToken
	}
	return alertsToken
}

func (p pair) key() string { return p.address + "." + p.role() + "." + p.monitor }

// cutPair returns the pair of a log's key.
func cutPair(key string) (pair, bool) {
	tokens := strings.SplitN(key, ".", 3) // a monitor's name may hold dots
	if len(tokens) < 3 || tokens[1] != alertsToken && tokens[1] != operatorsToken {
		return pair{}, false
	}
	return pair{address: tokens[0], operators: tokens[1] == operatorsToken, monitor: tokens[2]}, true
}
