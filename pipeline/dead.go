package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
)

// DeadLetter is a job that was set aside, with why.
type DeadLetter struct {
	// ID is the sequence of the letter itself.
	ID uint64 `json:"id"`
	// Stage is which pool's stage could not do it: check, evaluate, notify, mail.
	Stage string `json:"stage"`
	// Subject and Body are the job's, byte for byte.
	Subject string     `json:"subject"`
	Body    []byte     `json:"body"`
	Reason  job.Reason `json:"reason"`
	// Error is what the last attempt said, Attempts how many there were.
	Error    string `json:"error"`
	Attempts int    `json:"attempts"`
	// FirstStoredAt is when the job was first stored, Died when it was set aside, and
	// Worker the process that did.
	FirstStoredAt time.Time `json:"first_stored_at"`
	DeadAt        time.Time `json:"dead_at"`
	Worker        string    `json:"worker"`
	// Sequence is what the job's was within its stream; zero when the letter
	// does not say.
	Sequence uint64 `json:"-"`
}

// Headers of a dead letter, beside []. Its body is the job's, byte
// for byte.
const (
	HeaderStage    = "Vedette-Stage"
	HeaderReason   = "Vedette-Reason"
	HeaderError    = "Vedette-Error"
	HeaderSubject  = "Vedette-Subject"
	HeaderAttempts = "Vedette-Attempts"
	HeaderWorker   = "Vedette-Worker"
)

// message is the letter as it is stored, under a subject that names the message
// which it was, so that storing it twice is impossible.
func (l DeadLetter) message(subject string) *nats.Msg {
	letter := nats.NewMsg(subject)
	letter.Data = l.Body
	// Without an id, a letter on which the cluster has not agreed yet, and which
	// may be lost with its leader, would look like one that was stored before.
	letter.Header.Set(jetstream.MsgIDHeader, subject)
	letter.Header.Set(HeaderStage, l.Stage)
	letter.Header.Set(HeaderReason, string(l.Reason))
	letter.Header.Set(HeaderError, l.Error)
	letter.Header.Set(HeaderSubject, l.Subject)
	letter.Header.Set(HeaderAttempts, strconv.Itoa(l.Attempts))
	letter.Header.Set(HeaderFirstStored, l.FirstStoredAt.UTC().Format(time.RFC3339Nano))
	letter.Header.Set(HeaderWorker, l.Worker)
	return letter
}

// ReadDeadLetter reads a letter that a pool over the stream [Dead] delivers. A
// field that somebody else's letter lacks stays empty, or zero.
func ReadDeadLetter(d Delivery) DeadLetter {
	return deadLetter(d.Sequence, d.Stored, d.Subject, d.Header, d.Body)
}

func deadLetter(id uint64, died time.Time, subject string, header nats.Header, body []byte) DeadLetter {
	sequence, _ := strconv.ParseUint(subject[strings.LastIndexByte(subject, '.')+1:], 10, 64)
	attempts, _ := strconv.Atoi(header.Get(HeaderAttempts))
	first, _ := time.Parse(time.RFC3339Nano, header.Get(HeaderFirstStored))
	return DeadLetter{
		ID: id, Stage: header.Get(HeaderStage), Subject: header.Get(HeaderSubject), Body: body,
		Reason: job.Reason(header.Get(HeaderReason)), Error: header.Get(HeaderError),
		Attempts: attempts, FirstStoredAt: first, DeadAt: died, Worker: header.Get(HeaderWorker),
		Sequence: sequence,
	}
}

// DeadFilter selects dead letters. What is zero selects all.
type DeadFilter struct {
	// IDs selects these.
	IDs []uint64
	// Stage and Reason select those that have one of them.
	Stages  []string
	Reasons []job.Reason
	// Before and After select by the time of death.
	Before, After time.Time
}

func (f DeadFilter) match(l DeadLetter) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, l.ID)) &&
		(len(f.Stages) == 0 || slices.Contains(f.Stages, l.Stage)) &&
		(len(f.Reasons) == 0 || slices.Contains(f.Reasons, l.Reason)) &&
		(f.Before.IsZero() || l.DeadAt.Before(f.Before)) &&
		(f.After.IsZero() || l.DeadAt.After(f.After))
}

// DeadLetters calls each with every dead letter that there is now and that the
// filter selects, oldest first, until each returns false.
func (p *Pipeline) DeadLetters(ctx context.Context, filter DeadFilter, each func(DeadLetter) bool) error {
	stream, err := p.js.Stream(ctx, p.names.Stream(Dead))
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}
	state := stream.CachedInfo().State
	next := state.FirstSeq
	if len(filter.IDs) > 0 {
		next = max(next, slices.Min(filter.IDs))
		state.LastSeq = min(state.LastSeq, slices.Max(filter.IDs))
	}
	for next <= state.LastSeq {
		message, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(p.names.Subject("dead.>")))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read dead letter %d: %w", next, err)
		}
		letter := deadLetter(message.Sequence, message.Time, message.Subject, message.Header, message.Data)
		if letter.ID <= state.LastSeq && filter.match(letter) && !each(letter) {
			return nil
		}
		next = message.Sequence + 1
	}
	return nil
}

// oneLine makes an error fit a header.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
