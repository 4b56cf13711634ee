package pipeline

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// Write is one write in a [Bucket.WriteAll].
type Write struct {
	Key   string
	Value []byte
	// Delete removes the key instead.
	Delete bool
}

// WriteAll writes many keys, each once, with a limited number in flight. It
// retries: see [Pipeline.RetryUnavailable]. The error is the first failed write's;
// others may have succeeded.
func (b *Bucket) WriteAll(ctx context.Context, writes []Write) error {
	if err := unfenced(ctx); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return b.p.RetryUnavailable(ctx, "write keys", func(ctx context.Context) error {
		var failed []Write
		var reason error
		for i, err := range b.writeOnce(ctx, writes) {
			if err == nil {
				continue
			}
			failed = append(failed, writes[i])
			if reason == nil || transient(reason) && !transient(err) { // a permanent error comes first
				reason = fmt.Errorf("write key %s: %w", writes[i].Key, err)
			}
		}
		writes = failed
		return reason
	})
}

// writeOnce tries each write once, and returns an error or nil for each.
func (b *Bucket) writeOnce(ctx context.Context, writes []Write) []error {
	flights, errs := make([]flight, min(len(writes), maxInFlight)), make([]error, len(writes))
	stream := b.stream()
	settle := func(i int) {
		landed := flights[i%maxInFlight].land(ctx)
		b.p.observe(ctx, stream, landed)
		errs[i] = publishError(landed)
	}
	for i, w := range writes {
		if i >= maxInFlight {
			settle(i - maxInFlight)
		}
		flights[i%maxInFlight] = launch(b.p.js, b.message(w))
	}
	for i := max(0, len(writes)-maxInFlight); i < len(writes); i++ {
		settle(i)
	}
	return errs
}

// message is the write as the server stores it.
func (b *Bucket) message(w Write) *nats.Msg {
	message := nats.NewMsg("$KV." + b.kv.Bucket() + "." + w.Key)
	message.Data = w.Value
	if w.Delete {
		message.Data = nil
		message.Header.Set("KV-Operation", "DEL")
	}
	return message
}
