package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/topology"
)

// ReadSince calls each with every message that a stream has stored within the last
// since. It is no error if ctx ends before: then each was called with the oldest
// ones, and whole is false.
func ReadSince(ctx context.Context, p *pipeline.Pipeline, name topology.Stream, since time.Duration, each func(pipeline.Delivery)) (whole bool, err error) {
	start := time.Now().Add(-since)
	consumer, err := p.JetStream().OrderedConsumer(ctx, p.Names().Stream(name), jetstream.OrderedConsumerConfig{
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
			return false, nil //nolint:nilerr // the part that was read is the result
		}
		batch, err := consumer.Fetch(int(min(left, pastBatch)), jetstream.FetchMaxWait(fetchTimeout))
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
			each(pipeline.Delivery{Subject: p.Names().CutPrefix(message.Subject()), Body: message.Data(), Sequence: meta.Sequence.Stream, Stored: meta.Timestamp, Attempt: 1})
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

const (
	// pastBatch is how many messages are asked for at once.
	pastBatch = 500
	// fetchTimeout bounds the wait for a batch.
	fetchTimeout = 2 * time.Second
)

// Tail calls each with every message that a stream stores, beginning with those
// from the last since, until ctx ends. Then it returns nil.
func Tail(ctx context.Context, p *pipeline.Pipeline, name topology.Stream, since time.Duration, each func(pipeline.Delivery)) error {
	start := time.Now().Add(-since)
	consumer, err := p.JetStream().OrderedConsumer(ctx, p.Names().Stream(name), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &start,
	})
	if err != nil {
		return fmt.Errorf("tail stream %s: %w", name, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("tail stream %s: %w", name, err)
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	for {
		message, err := messages.Next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("tail stream %s: %w", name, err)
		}
		meta, err := message.Metadata()
		if err != nil {
			return fmt.Errorf("tail stream %s: %w", name, err)
		}
		each(pipeline.Delivery{
			Subject: p.Names().CutPrefix(message.Subject()), Body: message.Data(),
			Sequence: meta.Sequence.Stream, Stored: meta.Timestamp, Attempt: 1,
		})
	}
}
