package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// deliveryStore keeps the delivery status of mails in a bucket. Sending and
// withdrawing a mail exclude each other there, by compare-and-swap.
type deliveryStore struct {
	bucket *pipeline.Bucket
}

// Delivery returns the status of a mail, and whether there is one.
func (d *deliveryStore) Delivery(ctx context.Context, id string) (job.Delivery, bool, error) {
	found, revision, err := pipeline.Read(ctx, d.bucket, id, job.Decode[job.Delivery])
	return found, revision > 0, err
}

// Record replaces the status of a mail.
func (d *deliveryStore) Record(ctx context.Context, delivery job.Delivery) error {
	return pipeline.Put(ctx, d.bucket, delivery.ID, delivery)
}

// Begin records the start of an attempt, unless the mail was sent or withdrawn,
// or another worker's attempt holds it. Most mails have no status yet, so Begin
// tries to create one before it reads, which saves two of five requests for
// each mail.
func (d *deliveryStore) Begin(ctx context.Context, begun job.Delivery) (job.Delivery, error) {
	if _, err := pipeline.Swap(ctx, d.bucket, begun.ID, begun, 0); !errors.Is(err, job.ErrConflict) {
		return begun, err
	}
	return d.update(ctx, begun.ID, func(found job.Delivery) (job.Delivery, bool) {
		return begun, !found.Final() && found.HeldFor(begun.At) == 0
	})
}

// RecordDead records that the job of a mail has become a dead letter. What is known
// about the last attempt stays.
func (d *deliveryStore) RecordDead(ctx context.Context, dead job.Delivery) error {
	_, err := d.update(ctx, dead.ID, func(found job.Delivery) (job.Delivery, bool) {
		if found.State == "" {
			return dead, true // it was never tried
		}
		found.DeadSubject, found.NextTry = dead.DeadSubject, time.Time{}
		return found, !found.Final()
	})
	return err
}

// Withdraw withdraws a mail, unless it was or may have been sent, and returns
// the status that is stored afterwards.
func (d *deliveryStore) Withdraw(ctx context.Context, id string, at time.Time) (job.Delivery, error) {
	return d.update(ctx, id, func(found job.Delivery) (job.Delivery, bool) {
		return job.Delivery{State: job.DeliveryWithdrawn, At: at, To: found.To, Subject: found.Subject}, !found.Final() && found.State != job.DeliverySending
	})
}

func (d *deliveryStore) update(ctx context.Context, id string, change func(job.Delivery) (job.Delivery, bool)) (job.Delivery, error) {
	stored, _, err := pipeline.Update(ctx, d.bucket, id, job.Decode[job.Delivery], func(found job.Delivery) (job.Delivery, bool) {
		next, write := change(found)
		next.V, next.ID = job.Version, id
		return next, write
	})
	if err != nil {
		return job.Delivery{}, fmt.Errorf("update status of mail %s: %w", id, err)
	}
	return stored, nil
}
