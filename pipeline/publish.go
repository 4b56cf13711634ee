package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrFull is returned for a message that a stream has no room for: the stage
// behind it is slower than its publishers. Try again later, or wait.
var ErrFull = errors.New("stream is full")

// ErrOccupied is returned for a message whose subject still holds one: the
// check of that monitor, or the job of that id, is queued or running.
var ErrOccupied = errors.New("subject is occupied")

// ErrTooLarge is returned for a message above [MaxMessage] bytes.
var ErrTooLarge = errors.New("message is too large")

// Message is something to publish.
type Message struct {
	// Subject is without the installation's prefix: "mail.alert.42".
	Subject string
	Body    []byte
	// ID, when set, lets the server drop a second message with the same id
	// that comes within 20 s, so that publishing again is safe.
	ID string
}

// publishTimeout bounds one try; a leader that just died needs up to 5 s to be
// replaced, and the next try finds the new one.
const publishTimeout = 2 * time.Second

// Publish stores a message, and returns when the server has it. While the
// server does not answer, it tries again until ctx ends. The error is
// [ErrFull], [ErrOccupied], [ErrTooLarge], or why it could not be stored.
func (p *Pipeline) Publish(ctx context.Context, m Message) error {
	return p.publish(ctx, p.message(m))
}

func (p *Pipeline) publish(ctx context.Context, message *nats.Msg) error {
	try := func() error {
		limited, cancel := context.WithTimeout(ctx, publishTimeout)
		defer cancel()
		_, err := p.js.PublishMsg(limited, message)
		err = publishError(err)
		if err != nil && !transient(err) {
			return backoff.Permanent(err)
		}
		return err
	}
	curve := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(10*time.Millisecond), backoff.WithMaxInterval(time.Second), backoff.WithMaxElapsedTime(0))
	if err := backoff.Retry(try, backoff.WithContext(curve, ctx)); err != nil {
		return fmt.Errorf("publish %s: %w", message.Subject, err)
	}
	return nil
}

// PublishAll stores many messages at once, pipelined, and returns an error for
// each that was not stored, in the order of the messages: nil, [ErrFull],
// [ErrOccupied], [ErrTooLarge] or another. What the server did not answer is
// tried again, one by one, until ctx ends.
func (p *Pipeline) PublishAll(ctx context.Context, messages []Message) []error {
	errs := make([]error, len(messages))
	futures := make([]jetstream.PubAckFuture, len(messages))
	for i, m := range messages {
		futures[i], errs[i] = p.js.PublishMsgAsync(p.message(m))
	}
	for i, future := range futures {
		if errs[i] == nil {
			errs[i] = await(ctx, future)
		}
		errs[i] = publishError(errs[i])
		if errs[i] == nil {
			continue
		}
		if transient(errs[i]) && ctx.Err() == nil {
			errs[i] = p.Publish(ctx, messages[i])
			continue
		}
		errs[i] = fmt.Errorf("publish %s: %w", messages[i].Subject, errs[i])
	}
	return errs
}

func await(ctx context.Context, future jetstream.PubAckFuture) error {
	timer := time.NewTimer(publishTimeout)
	defer timer.Stop()
	select {
	case <-future.Ok():
		return nil
	case err := <-future.Err():
		return err
	case <-timer.C:
		return nats.ErrTimeout
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Pipeline) message(m Message) *nats.Msg {
	message := nats.NewMsg(p.names.Subject(m.Subject))
	message.Data = m.Body
	if m.ID != "" {
		message.Header.Set(jetstream.MsgIDHeader, m.ID)
	}
	return message
}

// storeFailed is the server's code for whatever its store refuses; which limit
// it was, only the description says.
const storeFailed = 10077

// publishError gives the server's refusals our names.
func publishError(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: expected at most %d bytes", ErrTooLarge, MaxMessage)
	case !errors.As(err, &api):
		return err
	case api.ErrorCode == storeFailed && strings.Contains(api.Description, "per subject"):
		return ErrOccupied
	case api.ErrorCode == storeFailed && strings.Contains(api.Description, "exceeded"):
		return ErrFull
	case strings.Contains(api.Description, "message size exceeds"):
		return fmt.Errorf("%w: expected at most %d bytes", ErrTooLarge, MaxMessage)
	default:
		return err
	}
}

// transient tells whether an error of a publish may go away by itself: the
// server did not answer, or is choosing a leader.
func transient(err error) bool {
	for _, passing := range []error{
		nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse, context.DeadlineExceeded,
		nats.ErrDisconnected, nats.ErrConnectionReconnecting, jetstream.ErrTooManyStalledMsgs, jetstream.ErrAsyncPublishTimeout,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code == 503
}
