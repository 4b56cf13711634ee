package workers

import (
	"context"
	"errors"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/workers/notify"
)

// announce is the branch that turns transitions into mails: a notifier, fed by
// the writes of the states in their order.
type announce struct {
	*parts

	notifier *notify.Notifier // what the part "recipients" makes, for the pool
}

// branch:
//
//	notify             rest_for_one
//	├── recipients     knows who is told
//	└── parts          dynamic
//	    └── notify
func (a *announce) branch() (supervise.Child, error) {
	return a.parts.branch(StageNotify,
		[]supervise.Child{a.part("recipients", a.follow)},
		[]supervise.Child{a.pool(pipeline.ConsumerNotify, a.config)})
}

// follow learns the recipients until ctx ends. It is ready when it knows those
// that there are.
func (a *announce) follow(ctx context.Context) error {
	definitions, err := a.p.Bucket(ctx, pipeline.Monitors)
	if err != nil {
		return err
	}
	notifier, err := notify.New(notify.Config{Outbox: &mailOutbox{p: a.p, class: job.MailAlert}, Logger: a.log})
	if err != nil {
		return err
	}
	a.notifier = notifier
	return definitions.Watch(ctx, func(e pipeline.Entry) { a.learn(ctx, notifier, e) }, func() { supervise.Ready(ctx) })
}

func (a *announce) config() pipeline.PoolConfig {
	config, notifier := a.base, a.notifier
	config.Stage, config.Stream, config.Curve = StageNotify, pipeline.StateLog, shortCurve()
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
	return config
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
