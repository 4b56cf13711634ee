package workers

import (
	"context"
	"errors"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// mailOutbox enqueues the pipeline's own mails, all in one class.
type mailOutbox struct {
	p     *pipeline.Pipeline
	class string
}

// Enqueue enqueues a mail. It returns no error for a mail whose id is already
// queued.
func (o *mailOutbox) Enqueue(ctx context.Context, m job.Mail) error {
	err := pipeline.PublishJob(ctx, o.p, m, pipeline.Message{Subject: topology.MailSubject(o.class, m.ID), ID: "mail-" + m.ID})
	if errors.Is(err, pipeline.ErrOccupied) {
		return nil
	}
	return err
}

// alertOutbox enqueues the notifier's mails.
type alertOutbox struct {
	p *pipeline.Pipeline
}

// Enqueue enqueues a mail to the recipients of a monitor, or to operators.
func (o *alertOutbox) Enqueue(ctx context.Context, m job.Mail, operators bool) error {
	to := mailOutbox{p: o.p, class: job.MailAlert}
	if operators {
		to.class = job.MailOperator
	}
	return to.Enqueue(ctx, m)
}
