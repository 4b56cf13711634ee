// Package deadletter keeps the jobs that could not be done, each with the reason,
// and gives them back to their stages.
package deadletter

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

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Letter is a job that was set aside, with the reason.
type Letter struct {
	// ID is the sequence of the dead letter.
	ID uint64 `json:"id"`
	// Stage is the stage that could not do the job: check, evaluate, notify, mail.
	Stage string `json:"stage"`
	// Subject and Body are the job's, byte for byte.
	Subject string     `json:"subject"`
	Body    []byte     `json:"body"`
	Reason  job.Reason `json:"reason"`
	// Error is the last attempt's error, Attempts the number of attempts.
	Error    string `json:"error"`
	Attempts int    `json:"attempts"`
	// FirstStoredAt is when the job was first stored, DeadAt when Worker, a process,
	// set it aside.
	FirstStoredAt time.Time `json:"first_stored_at"`
	DeadAt        time.Time `json:"dead_at"`
	Worker        string    `json:"worker"`
	// Sequence was the job's within its stream; zero if it is not known.
	Sequence uint64 `json:"-"`
}

// Headers of a dead letter, in addition to [pipeline.HeaderFirstStored]. The body
// is the job's.
const (
	HeaderStage    = "Vedette-Stage"
	HeaderReason   = "Vedette-Reason"
	HeaderError    = "Vedette-Error"
	HeaderSubject  = "Vedette-Subject"
	HeaderAttempts = "Vedette-Attempts"
	HeaderWorker   = "Vedette-Worker"
)

// Store stores a job that a consumer delivered as a dead letter. A second time
// changes nothing, since the subject has the job's stream and sequence.
func Store(ctx context.Context, p *pipeline.Pipeline, l Letter, consumer topology.Consumer) error {
	subject := topology.DeadSubject(consumer.Stream, consumer.Name, l.Sequence)
	err := p.Publish(ctx, pipeline.Message{
		// The id distinguishes a dead letter that was stored before from one on which
		// the cluster has not agreed yet, and which may be lost with its leader.
		Subject: subject, ID: subject, Body: l.Body, FirstStored: l.FirstStoredAt,
		Header: map[string]string{
			HeaderStage: l.Stage, HeaderReason: string(l.Reason), HeaderError: OneLine(l.Error),
			HeaderSubject: l.Subject, HeaderAttempts: strconv.Itoa(l.Attempts), HeaderWorker: l.Worker,
		},
	})
	if err != nil && !errors.Is(err, pipeline.ErrOccupied) {
		return fmt.Errorf("store dead letter: %w", err)
	}
	return nil
}

// OneLine makes a text fit a header.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Read reads a dead letter that a pool over [topology.Dead] delivers. Fields
// without a header stay zero.
func Read(d pipeline.Delivery) Letter {
	header := nats.Header(d.Header)
	sequence, _ := strconv.ParseUint(d.Subject[strings.LastIndexByte(d.Subject, '.')+1:], 10, 64)
	attempts, _ := strconv.Atoi(header.Get(HeaderAttempts))
	first, _ := time.Parse(time.RFC3339Nano, header.Get(pipeline.HeaderFirstStored))
	return Letter{
		ID: d.Sequence, Stage: header.Get(HeaderStage), Subject: header.Get(HeaderSubject), Body: d.Body,
		Reason: job.Reason(header.Get(HeaderReason)), Error: header.Get(HeaderError),
		Attempts: attempts, FirstStoredAt: first, DeadAt: d.Stored, Worker: header.Get(HeaderWorker),
		Sequence: sequence,
	}
}

// Find returns the dead letter with a subject, and whether there is one. Its cost
// does not depend on the number of dead letters.
func Find(ctx context.Context, p *pipeline.Pipeline, subject string) (Letter, bool, error) {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(topology.Dead))
	if err != nil {
		return Letter{}, false, fmt.Errorf("read dead letter: %w", err)
	}
	message, err := stream.GetLastMsgForSubject(ctx, p.Names().Subject(subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Letter{}, false, nil
	}
	if err != nil {
		return Letter{}, false, fmt.Errorf("read dead letter %s: %w", subject, err)
	}
	return Read(pipeline.Delivery{
		Sequence: message.Sequence, Stored: message.Time, Subject: message.Subject, Header: message.Header, Body: message.Data,
	}), true, nil
}

// Filter selects dead letters. Zero fields select all.
type Filter struct {
	// IDs selects by id.
	IDs []uint64
	// Stages and Reasons select by one of several.
	Stages  []string
	Reasons []job.Reason
	// Before and After select by DeadAt.
	Before, After time.Time
}

func (f Filter) matches(l Letter) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, l.ID)) &&
		(len(f.Stages) == 0 || slices.Contains(f.Stages, l.Stage)) &&
		(len(f.Reasons) == 0 || slices.Contains(f.Reasons, l.Reason)) &&
		(f.Before.IsZero() || l.DeadAt.Before(f.Before)) &&
		(f.After.IsZero() || l.DeadAt.After(f.After))
}

// Each calls each with every present dead letter that the filter selects, oldest
// first, until each returns false.
func Each(ctx context.Context, p *pipeline.Pipeline, filter Filter, each func(Letter) bool) error {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(topology.Dead))
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
		message, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(p.Names().Subject(topology.EveryDeadLetter)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read dead letter %d: %w", next, err)
		}
		dead := Read(pipeline.Delivery{
			Sequence: message.Sequence, Stored: message.Time, Subject: message.Subject, Header: message.Header, Body: message.Data,
		})
		if dead.ID <= state.LastSeq && filter.matches(dead) && !each(dead) {
			return nil
		}
		next = message.Sequence + 1
	}
	return nil
}
