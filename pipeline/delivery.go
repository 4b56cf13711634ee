package pipeline

import (
	"time"

	"github.com/nats-io/nats.go"
)

// Delivery is a stored message as its reader gets it.
type Delivery struct {
	// Subject is without the installation's prefix.
	Subject string
	Body    []byte
	// Sequence identifies the message within its stream.
	Sequence uint64
	// Stored is when JetStream accepted the message. FirstStored is earlier if the
	// job was a dead letter in between.
	Stored, FirstStored time.Time
	// Attempt counts the attempts at the job, from 1. Interruptions do not count:
	// neither a stopped process nor a dead one is the job's fault.
	Attempt int
	// Redelivered reports whether the job was delivered before, with any outcome.
	Redelivered bool
	// Reply is the address of a caller who waits for the outcome; empty if none does.
	Reply string
	// Header has the remaining headers.
	Header map[string][]string
	// Deleted marks the removal of a key, in pools over a bucket's log.
	Deleted bool
}

// FirstStored is when a job was first stored, by its headers; stored, unless it
// was a dead letter in between.
func FirstStored(header nats.Header, stored time.Time) time.Time {
	text := header.Get(HeaderFirstStored)
	if text == "" {
		return stored // almost always, and parsing would make an error
	}
	first, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || first.After(stored) {
		return stored // it cannot be true
	}
	return first
}
