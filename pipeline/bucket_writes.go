package pipeline

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Write is one of many writes to a bucket.
type Write struct {
	Key   string
	Value []byte
	// Delete removes the key instead.
	Delete bool
}

// WriteAll writes many keys, each once, whatever they hold, with a bounded number
// on their way at once: one after the other, each would wait for the server.
// Writing again is safe, so what the server did not answer is tried again until
// ctx ends. The error is that of the first write that could not be done; others
// may have been.
func (b *Bucket) WriteAll(ctx context.Context, writes []Write) error {
	if err := unfenced(ctx); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	futures := make([]jetstream.PubAckFuture, min(len(writes), maxInFlight))
	errs := make([]error, len(writes))
	settle := func(i int) { errs[i] = b.written(ctx, writes[i], futures[i%maxInFlight], errs[i]) }
	for i, w := range writes {
		if i >= maxInFlight {
			settle(i - maxInFlight)
		}
		futures[i%maxInFlight], errs[i] = b.p.js.PublishMsgAsync(b.message(w))
	}
	for i := max(0, len(writes)-maxInFlight); i < len(writes); i++ {
		settle(i)
	}
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("write key %s: %w", writes[i].Key, err)
		}
	}
	return nil
}

// written waits for what became of a write.
func (b *Bucket) written(ctx context.Context, w Write, future jetstream.PubAckFuture, err error) error {
	if err == nil {
		err = await(ctx, future)
	}
	if err == nil || ctx.Err() != nil || !transient(err) {
		return publishError(err)
	}
	return persist(ctx, func(ctx context.Context) error {
		_, err := b.p.js.PublishMsg(ctx, b.message(w))
		return publishError(err)
	}, transient)
}

// message is a write as the server stores it.
func (b *Bucket) message(w Write) *nats.Msg {
	message := nats.NewMsg("$KV." + b.kv.Bucket() + "." + w.Key)
	message.Data = w.Value
	if w.Delete {
		message.Data = nil
		message.Header.Set("KV-Operation", "DEL")
	}
	return message
}
