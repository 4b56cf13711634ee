package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
)

// maxInFlight is how many messages PublishAll has in flight. More made no
// difference when measured, and would only fill memory.
const maxInFlight = 1024

// PublishAll stores many messages, with a limited number in flight, and returns
// an error or nil for each, in their order: see [Pipeline.Publish]. Messages
// without an answer are retried one by one until ctx ends, and so are messages
// with Wait that a full stream refused.
func (p *Pipeline) PublishAll(ctx context.Context, messages []Message) []error {
	errs := make([]error, len(messages))
	if err := unfenced(ctx); err != nil {
		for i := range errs {
			errs[i] = fmt.Errorf("publish %s: %w", messages[i].Subject, err)
		}
		return errs
	}
	flights := make([]flight, min(len(messages), maxInFlight))
	settle := func(i int) { errs[i] = flights[i%maxInFlight].finish(ctx, p, messages[i]) }
	for i, m := range messages {
		if i >= maxInFlight {
			settle(i - maxInFlight)
		}
		flights[i%maxInFlight] = launch(p.js, m.message(p.names))
	}
	for i := max(0, len(messages)-maxInFlight); i < len(messages); i++ {
		settle(i)
	}
	return errs
}

// flight is one of many messages in flight.
type flight struct {
	future jetstream.PubAckFuture
	err    error     // why it was not sent
	until  time.Time // when to stop waiting for the answer
}

// finish waits for the outcome, and retries if that may help.
func (f flight) finish(ctx context.Context, p *Pipeline, m Message) error {
	landed := f.land(ctx)
	p.observe(ctx, topology.StreamOf(m.Subject), landed)
	err := publishError(landed)
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && (transient(err) || m.Wait && errors.Is(err, ErrFull)):
		return p.Publish(ctx, m)
	default:
		return fmt.Errorf("publish %s: %w", m.Subject, err)
	}
}

func launch(js jetstream.JetStream, message *nats.Msg) flight {
	future, err := js.PublishMsgAsync(message)
	return flight{future: future, err: err, until: time.Now().Add(tryTimeout)}
}

// land waits for the answer. The deadline counts from the launch, so that the
// timeouts of many messages do not add up.
func (f flight) land(ctx context.Context) error {
	if f.err != nil {
		return f.err
	}
	select {
	case <-f.future.Ok(): // most of many messages are stored by now
		return nil
	default:
	}
	timer := time.NewTimer(time.Until(f.until))
	defer timer.Stop()
	select {
	case <-f.future.Ok():
		return nil
	case err := <-f.future.Err():
		return err
	case <-timer.C:
		return nats.ErrTimeout
	case <-ctx.Done():
		return ctx.Err()
	}
}
