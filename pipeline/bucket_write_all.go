package pipeline

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
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
// Writing again is safe, so it insists: see [Pipeline.RetryUnavailable]. The error is that
// of the first write that could not be done; others may have been.
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
			if reason == nil || transient(reason) && !transient(err) { // what does not pass decides
				reason = fmt.Errorf("write key %s: %w", writes[i].Key, err)
			}
		}
		writes = failed
		return reason
	})
}

// writeOnce tries each write, and returns an error for each, or nil.
func (b *Bucket) writeOnce(ctx context.Context, writes []Write) []error {
	flights, errs := make([]flight, min(len(writes), maxInFlight)), make([]error, len(writes))
	settle := func(i int) { errs[i] = publishError(flights[i%maxInFlight].land(ctx)) }
	for i, w := range writes {
		if i >= maxInFlight {
			settle(i - maxInFlight)
		}
		flights[i%maxInFlight] = b.p.launch(b.message(w))
	}
	for i := max(0, len(writes)-maxInFlight); i < len(writes); i++ {
		settle(i)
	}
	return errs
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
