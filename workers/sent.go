package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// deliveryStore is the bucket of sent mails. Whether a mail may still be withdrawn
// or is on its way is decided there, by compare-and-swap: either its worker's
// intent is first, or the word of whoever takes it back.
type deliveryStore struct {
	bucket *pipeline.Bucket
}

// Delivery reads what became of a mail, and whether anything is known of it.
func (l *deliveryStore) Delivery(ctx context.Context, id string) (job.Delivery, bool, error) {
	sent, revision, err := l.read(ctx, id)
	return sent, revision > 0, err
}

func (l *deliveryStore) read(ctx context.Context, id string) (job.Delivery, uint64, error) {
	found, err := l.bucket.Get(ctx, id)
	if errors.Is(err, pipeline.ErrNotFound) {
		return job.Delivery{}, 0, nil
	}
	if err != nil {
		return job.Delivery{}, 0, err
	}
	sent, err := job.Decode[job.Delivery](found.Value)
	return sent, found.Revision, err
}

// Record writes what became of a mail.
func (l *deliveryStore) Record(ctx context.Context, sent job.Delivery) error {
	body, err := job.Encode(sent)
	if err != nil {
		return err
	}
	_, err = l.bucket.Put(ctx, sent.ID, body)
	return err
}

// Begin marks that an attempt begins, unless the mail has left, was withdrawn, or
// is in somebody else's hand. Nothing is known of most mails, so it does not look first: that was
// two of the five calls to the server that a mail took.
func (l *deliveryStore) Begin(ctx context.Context, id string, at time.Time) (job.Delivery, error) {
	begun := job.Delivery{V: job.Version, ID: id, State: job.DeliverySending, At: at}
	body, err := job.Encode(begun)
	if err != nil {
		return job.Delivery{}, err
	}
	if _, err := l.bucket.CompareAndSwap(ctx, id, body, 0); !errors.Is(err, pipeline.ErrConflict) {
		return begun, err
	}
	return l.decide(ctx, id, func(sent job.Delivery) (job.Delivery, bool) {
		return job.Delivery{State: job.DeliverySending, At: at}, !sent.Final() && sent.HeldFor(at) == 0
	})
}

// Withdraw takes a mail back, unless it has left or may have, and tells what is
// known of it now.
func (l *deliveryStore) Withdraw(ctx context.Context, id string, at time.Time) (job.Delivery, error) {
	return l.decide(ctx, id, func(sent job.Delivery) (job.Delivery, bool) {
		return job.Delivery{State: job.DeliveryWithdrawn, At: at}, !sent.Final() && sent.State != job.DeliverySending
	})
}

func (l *deliveryStore) decide(ctx context.Context, id string, decision func(job.Delivery) (job.Delivery, bool)) (job.Delivery, error) {
	for range swapAttempts {
		sent, revision, err := l.read(ctx, id)
		if err != nil {
			return job.Delivery{}, err
		}
		next, write := decision(sent)
		if !write {
			return sent, nil
		}
		next.V, next.ID = job.Version, id
		body, err := job.Encode(next)
		if err != nil {
			return job.Delivery{}, err
		}
		if _, err = l.bucket.CompareAndSwap(ctx, id, body, revision); err == nil {
			return next, nil
		}
		if !errors.Is(err, pipeline.ErrConflict) {
			return job.Delivery{}, err
		}
	}
	return job.Delivery{}, fmt.Errorf("decide about mail %s: %w", id, pipeline.ErrConflict)
}
