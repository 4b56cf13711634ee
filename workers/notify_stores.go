package workers

import (
	"context"
	"errors"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// timers are server timers for the notifier.
type timers struct {
	p *pipeline.Pipeline
}

// SetTimer sets or moves a timer.
func (t *timers) SetTimer(ctx context.Context, kind, id string, at time.Time) error {
	return t.p.SetTimer(ctx, kind, id, at, nil)
}

// notificationStore is the bucket with notification logs and groups.
type notificationStore struct {
	bucket *pipeline.Bucket
}

// Load reads the keys that match a filter.
func (s *notificationStore) Load(ctx context.Context, filter string) ([]notify.Entry, error) {
	found, err := s.bucket.LoadMatching(ctx, filter)
	if err != nil {
		return nil, err
	}
	entries := make([]notify.Entry, len(found))
	for i, e := range found {
		entries[i] = notifyEntry(e)
	}
	return entries, nil
}

// Get reads a key; a missing one has revision 0.
func (s *notificationStore) Get(ctx context.Context, key string) (notify.Entry, error) {
	e, err := s.bucket.Get(ctx, key)
	if errors.Is(err, pipeline.ErrNotFound) {
		return notify.Entry{Key: key}, nil
	}
	return notify.Entry{Key: key, Value: e.Value, Revision: e.Revision}, err
}

func notifyEntry(e pipeline.Entry) notify.Entry {
	return notify.Entry{Key: e.Key, Value: e.Value, Revision: e.Revision}
}

// Swap writes a key if its revision is still the given one.
func (s *notificationStore) Swap(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return s.bucket.CompareAndSwap(ctx, key, value, revision)
}

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
