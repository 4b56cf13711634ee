package workers

import (
	"context"
	"errors"
	"log/slog"

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
	pools *poolSet
	base  pipeline.PoolConfig
	ready func(context.Context)
}

// Serve announces transitions until ctx ends. It takes none before it knows
// the recipients.
func (a *announce) Serve(ctx context.Context) error {
	definitions, err := a.p.Bucket(ctx, pipeline.Monitors)
	if err != nil {
		return err
	}
	notifier, err := notify.New(notify.Config{Outbox: &mailOutbox{p: a.p, class: job.MailAlert}, Logger: a.log})
	if err != nil {
		return err
	}
	config := a.base
	config.Name, config.Stage, config.Stream, config.Curve = pipeline.ConsumerNotify, StageNotify, pipeline.StateLog, shortCurve()
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error {
		if d.Deleted {
			return nil
		}
		state, err := job.Decode[job.State](d.Body)
		if err != nil {
			return job.DeadFor(err)
		}
		return notifier.Handle(ctx, state)
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
		pools, err := a.pools.make(a.p, config)
		if err != nil {
			return err
		}
		defer a.pools.remove(pools...)
		a.ready(ctx)
		return serveAll(ctx, pools)
	})
	return group.Wait()
}

func (a *announce) learn(ctx context.Context, notifier *notify.Notifier, e pipeline.Entry) {
	name, ok := pipeline.CutRecipientKey(e.Key)
	if !ok {
		return
	}
	if e.Deleted {
		notifier.Recipients().Remove(name)
		return
	}
	recipient, err := job.Decode[job.Recipient](e.Value)
	if err != nil {
		a.log.ErrorContext(ctx, "stored recipient cannot be read", "recipient", name, "error", err)
		return
	}
	notifier.Recipients().Set(recipient)
}

// mailOutbox orders mails of the pipeline, all of one class.
type mailOutbox struct {
	p     *pipeline.Pipeline
	class string
}

// Enqueue orders a mail. One that is already ordered, queued or being sent is
// no error: its id is that of the transition and the recipient.
func (o *mailOutbox) Enqueue(ctx context.Context, m job.Mail) error {
	body, err := job.Encode(m)
	if err != nil {
		return err
	}
	err = o.p.Publish(ctx, pipeline.Message{Subject: pipeline.MailSubject(o.class, m.ID), Body: body, ID: "mail-" + m.ID})
	if errors.Is(err, pipeline.ErrOccupied) {
		return nil
	}
	return err
}
