package workers

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/workers/notify"
)

// announce is the service that turns transitions into mails: a notifier, fed
// by the writes of the states in their order.
type announce struct {
	p     *pipeline.Pipeline
	log   *slog.Logger
	grace time.Duration
	pools *poolSet
	ready func(context.Context)
}

// Serve announces transitions until ctx ends. It takes none before it knows
// the recipients.
func (a *announce) Serve(ctx context.Context) error {
	definitions, err := a.p.Bucket(ctx, pipeline.Monitors)
	if err != nil {
		return err
	}
	notifier, err := notify.New(notify.Config{Outbox: &mailOutbox{p: a.p}, Logger: a.log})
	if err != nil {
		return err
	}
	pool, err := a.p.NewPool(pipeline.PoolConfig{
		Name: "notify", Stream: pipeline.StateLog, Limit: announceLimit, Curve: shortCurve(), Grace: a.grace,
		Handler: func(ctx context.Context, d pipeline.Delivery) error {
			if d.Deleted {
				return nil
			}
			state, err := job.Decode[job.State](d.Body)
			if err != nil {
				return job.DeadFor(err)
			}
			return notifier.Handle(ctx, state)
		},
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	known := make(chan struct{})
	group.Go(func() error {
		return definitions.Watch(ctx, func(e pipeline.Entry) { a.learn(ctx, notifier, e) }, func() { close(known) })
	})
	group.Go(func() error {
		if !await(ctx, known) {
			return nil
		}
		a.pools.add(pool)
		defer a.pools.remove(pool)
		a.ready(ctx)
		return pool.Serve(ctx)
	})
	return group.Wait()
}

// announceLimit is enough: a transition costs a few messages, and nothing waits
// for a relay here.
const announceLimit = 16

func (a *announce) learn(ctx context.Context, notifier *notify.Notifier, e pipeline.Entry) {
	name, ok := pipeline.CutRecipientKey(e.Key)
	if !ok {
		return
	}
	if e.Deleted {
		notifier.RemoveRecipient(name)
		return
	}
	recipient, err := job.Decode[job.Recipient](e.Value)
	if err != nil {
		a.log.ErrorContext(ctx, "stored recipient cannot be read", "recipient", name, "error", err)
		return
	}
	notifier.SetRecipient(recipient)
}

// mailOutbox orders mails of the pipeline.
type mailOutbox struct {
	p *pipeline.Pipeline
}

// Enqueue orders a mail. One that is already ordered, queued or being sent is
// no error: its id is that of the transition and the recipient.
func (o *mailOutbox) Enqueue(ctx context.Context, m job.Mail) error {
	body, err := job.Encode(m)
	if err != nil {
		return err
	}
	err = o.p.Publish(ctx, pipeline.Message{Subject: pipeline.MailSubject(job.MailAlert, m.ID), Body: body, ID: "mail-" + m.ID})
	if errors.Is(err, pipeline.ErrOccupied) {
		return nil
	}
	return err
}
