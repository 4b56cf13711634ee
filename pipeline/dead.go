package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
)

// DeadLetter is a job that was set aside, with why.
type DeadLetter struct {
	// ID is the sequence of the letter itself.
	ID uint64
	// Subject and Body are the job's, byte for byte.
	Subject string
	Body    []byte
	Reason  job.Reason
	// Error is what the last attempt said, Attempts how many there were.
	Error    string
	Attempts int
	// First is when the job was stored, Died when it was set aside, and Worker
	// the process that did.
	First  time.Time
	Died   time.Time
	Worker string
}

// DeadLetters reads up to limit dead letters, oldest first.
func (p *Pipeline) DeadLetters(ctx context.Context, limit int) ([]DeadLetter, error) {
	stream, err := p.js.Stream(ctx, p.names.Stream(Dead))
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	state := stream.CachedInfo().State
	var letters []DeadLetter
	for sequence := state.FirstSeq; sequence <= state.LastSeq && len(letters) < limit; {
		message, err := stream.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(p.names.Subject("dead.>")))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read dead letter %d: %w", sequence, err)
		}
		letters = append(letters, deadLetter(message))
		sequence = message.Sequence + 1
	}
	return letters, nil
}

// deadLetter reads what bury wrote; a field that somebody else's letter lacks
// stays empty, or zero.
func deadLetter(message *jetstream.RawStreamMsg) DeadLetter {
	attempts, _ := strconv.Atoi(message.Header.Get(HeaderAttempts))
	first, _ := time.Parse(time.RFC3339Nano, message.Header.Get(HeaderFirst))
	return DeadLetter{
		ID: message.Sequence, Subject: message.Header.Get(HeaderSubject), Body: message.Data,
		Reason: job.Reason(message.Header.Get(HeaderReason)), Error: message.Header.Get(HeaderError),
		Attempts: attempts, First: first, Died: message.Time, Worker: message.Header.Get(HeaderWorker),
	}
}
