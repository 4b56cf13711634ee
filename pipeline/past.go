package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ReadSince calls each with every message of a stream that was stored within the
// last since, and returns when it has come to the present. When ctx ends before,
// that is no error: each was called with the oldest ones. whole tells which.
func (p *Pipeline) ReadSince(ctx context.Context, name Stream, since time.Duration, each func(Delivery)) (whole bool, err error) {
	start := time.Now().Add(-since)
	consumer, err := p.js.OrderedConsumer(ctx, p.names.Stream(name), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &start,
	})
	if err != nil {
		return false, fmt.Errorf("read stream %s: %w", name, err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return false, fmt.Errorf("read stream %s: %w", name, err)
	}
	for left := info.NumPending; left > 0; {
		if ctx.Err() != nil {
			return false, nil //nolint:nilerr // who waits no longer has what there was
		}
		batch, err := consumer.Fetch(int(min(left, pastBatch)), jetstream.FetchMaxWait(tryTimeout))
		if err != nil {
			return false, fmt.Errorf("read stream %s: %w", name, err)
		}
		got := false
		for message := range batch.Messages() {
			meta, err := message.Metadata()
			if err != nil {
				return false, fmt.Errorf("read stream %s: %w", name, err)
			}
			got, left = true, meta.NumPending
			each(Delivery{Subject: cutPrefix(message.Subject(), p.names.Prefix), Body: message.Data(), Sequence: meta.Sequence.Stream, Stored: meta.Timestamp, Attempt: 1})
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return false, fmt.Errorf("read stream %s: %w", name, err)
		}
		if !got {
			return false, nil
		}
	}
	return true, nil
}

// pastBatch is how many messages are asked for at once.
const pastBatch = 500
