// Package mailstatus shows the delivery status of mails.
package mailstatus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Mail is a mail with its delivery status. The field State replaces the delivery's.
type Mail struct {
	job.Delivery

	State State `json:"state"`
	// DeadLetter is the id for its dead letter, and Reason the reason; both are
	// empty if there is none, or it was replayed or dropped.
	DeadLetter uint64     `json:"dead_letter,omitempty"`
	Reason     job.Reason `json:"reason,omitempty"`
}

// State is a delivery state: that in [job.Delivery], or one defined here.
type State string

// The states that no [job.Delivery] has.
const (
	Unknown State = "unknown" // it may have arrived
	Failed  State = "failed"  // it is a dead letter
)

// longestAttempt limits an attempt. The outcome of an older one is unknown.
const longestAttempt = 8 * time.Minute

// stateOf returns the state for a delivery. An unknown outcome stays unknown even
// when the mail is a dead letter, because it may have arrived.
func stateOf(d *job.Delivery, now time.Time) State {
	switch {
	case d.State == job.DeliverySending && (d.Reply != "" || now.Sub(d.At) > longestAttempt):
		return Unknown
	case d.DeadSubject != "" && !d.Final():
		return Failed
	default:
		return State(d.State)
	}
}

// Log returns the mails that were tried, latest first, at most limit. With unknown
// it returns only those whose outcome is unknown.
func Log(ctx context.Context, p *pipeline.Pipeline, unknown bool, limit int) ([]Mail, error) {
	bucket, err := p.Bucket(ctx, topology.Deliveries)
	if err != nil {
		return nil, err
	}
	entries, err := bucket.Load(ctx)
	if err != nil {
		return nil, err
	}
	log := read(entries, unknown, time.Now())
	log = log[:min(len(log), max(0, limit))]
	for i := range log {
		if err := log[i].findDeadLetter(ctx, p); err != nil {
			return nil, err
		}
	}
	return log, nil
}

func read(entries []pipeline.Entry, unknown bool, now time.Time) []Mail {
	log := []Mail{}
	for _, e := range entries {
		found, err := job.DecodeKnown[job.Delivery](e.Value)
		m := Mail{Delivery: found, State: stateOf(&found, now)}
		if err != nil {
			m = Mail{Delivery: job.Delivery{ID: e.Key, At: e.Written, Reply: err.Error()}, State: Unknown}
		}
		if !unknown || m.State == Unknown {
			log = append(log, m)
		}
	}
	slices.SortFunc(log, func(a, b Mail) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	return log
}

// Find returns the mails with the given ids, by id. Mails that were never tried are
// missing.
func Find(ctx context.Context, p *pipeline.Pipeline, ids []string) (map[string]Mail, error) {
	bucket, err := p.Bucket(ctx, topology.Deliveries)
	if err != nil {
		return nil, err
	}
	mails := map[string]Mail{}
	for _, id := range ids {
		found, revision, err := pipeline.Read(ctx, bucket, id, job.DecodeKnown[job.Delivery])
		if err != nil {
			return nil, fmt.Errorf("read status of mail %s: %w", id, err)
		}
		if revision == 0 {
			continue
		}
		m := Mail{Delivery: found, State: stateOf(&found, time.Now())}
		if err := m.findDeadLetter(ctx, p); err != nil {
			return nil, err
		}
		mails[id] = m
	}
	return mails, nil
}

// findDeadLetter reads the dead letter, if the mail has one.
func (m *Mail) findDeadLetter(ctx context.Context, p *pipeline.Pipeline) error {
	if m.DeadSubject == "" || m.Final() {
		return nil
	}
	letter, found, err := deadletter.Find(ctx, p, m.DeadSubject)
	if err != nil || !found {
		return err
	}
	m.DeadLetter, m.Reason, m.Reply = letter.ID, letter.Reason, letter.Error
	return nil
}

// Untried counts the mails that wait for their first attempt.
func Untried(ctx context.Context, p *pipeline.Pipeline) (uint64, error) {
	waiting, _, err := inspect.Outstanding(ctx, p, topology.MailCallConsumer())
	if err != nil {
		return 0, err
	}
	for _, class := range job.MailClasses() {
		more, _, err := inspect.Outstanding(ctx, p, topology.MailConsumer(class))
		if err != nil {
			return 0, err
		}
		waiting += more
	}
	return waiting, nil
}
