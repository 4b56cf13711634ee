package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// Mailer sends mails.
type Mailer interface {
	// Handle sends one mail that was ordered at the given time. What it returns
	// is the fate of the mail's job.
	Handle(ctx context.Context, m job.Mail, stored time.Time) error
	// Close ends what is still open, when no Handle runs any more.
	Close()
}

// SentLedger remembers what was sent.
type SentLedger interface {
	// Sent tells what is known of a mail, and whether anything is.
	Sent(ctx context.Context, id string) (job.Sent, bool, error)
	// Mark writes down what became of a mail.
	Mark(ctx context.Context, sent job.Sent) error
}

// mails is the service that sends mails: as many at once as there are
// sessions, each on a session of its own.
type mails struct {
	p     *pipeline.Pipeline
	make  func(SentLedger) (Mailer, error)
	limit int
	grace time.Duration
	pools *poolSet
}

const (
	// mailTimeout leaves room for the five minutes that a relay may take over
	// the final dot, and for what comes before.
	mailTimeout = 8 * time.Minute
	// giveUpAfter is how long a mail is tried.
	giveUpAfter = 24 * time.Hour
)

// Serve sends mails until ctx ends.
func (m *mails) Serve(ctx context.Context) error {
	sent, err := m.p.Bucket(ctx, pipeline.Sent)
	if err != nil {
		return err
	}
	worker, err := m.make(&sentLedger{bucket: sent})
	if err != nil {
		return err
	}
	defer worker.Close()
	pool, err := m.p.NewPool(pipeline.PoolConfig{
		Name: "mail", Stream: pipeline.Mail, Limit: m.limit, Timeout: mailTimeout,
		Curve: pipeline.MailCurve(), GiveUpAfter: giveUpAfter, Confirm: true, Grace: m.grace,
		Handler: func(ctx context.Context, d pipeline.Delivery) error {
			order, err := job.Decode[job.Mail](d.Body)
			if err != nil {
				return job.DeadFor(err)
			}
			order.ID = idOf(order.ID, d.Subject)
			if !job.ValidName(order.ID) {
				return job.Dead(job.ReasonInvalid, fmt.Errorf("read mail: found id %q, expected letters, digits, _, - and single dots", order.ID))
			}
			return worker.Handle(ctx, order, d.Stored)
		},
	})
	if err != nil {
		return err
	}
	m.pools.add(pool)
	defer m.pools.remove(pool)
	return pool.Serve(ctx)
}

// sentLedger is the bucket of sent mails as the worker sees it.
type sentLedger struct {
	bucket *pipeline.Bucket
}

// Sent reads what became of a mail, and whether anything is known of it.
func (l *sentLedger) Sent(ctx context.Context, id string) (job.Sent, bool, error) {
	found, err := l.bucket.Get(ctx, id)
	if errors.Is(err, pipeline.ErrNotFound) {
		return job.Sent{}, false, nil
	}
	if err != nil {
		return job.Sent{}, false, err
	}
	sent, err := job.Decode[job.Sent](found.Value)
	return sent, err == nil, err
}

// Mark writes what became of a mail.
func (l *sentLedger) Mark(ctx context.Context, sent job.Sent) error {
	body, err := job.Encode(sent)
	if err != nil {
		return err
	}
	_, err = l.bucket.Put(ctx, sent.ID, body)
	return err
}
