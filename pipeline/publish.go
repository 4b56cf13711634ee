package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
)

// ErrFull is returned for a message that a stream has no room for: the stage
// behind it is slower than its publishers. Try again later, or wait.
var ErrFull = errors.New("stream is full")

// ErrOccupied is returned for a message whose subject still holds one: the
// check of that monitor, or the job of that id, is queued or running.
var ErrOccupied = errors.New("subject is occupied")

// ErrTooLarge is returned for a message above [topology.MaxMessage] bytes.
var ErrTooLarge = errors.New("message is too large")

// Message is something to publish.
type Message struct {
	// Subject is without the installation's prefix: "mail.alert.42".
	Subject string
	Body    []byte
	// ID, when set, lets the server drop a second message with the same id
	// that comes within 20 s, so that publishing again is safe.
	ID string
	// Wait makes a full stream no error: the message is tried again until
	// there is room, or the context ends.
	Wait bool
	// Reply is an address of [Replies] at which an answer is awaited.
	Reply string
	// FirstStored is when the job was first stored, for one that is stored again.
	FirstStored time.Time
	// Header has further headers.
	Header map[string]string
}

// Headers of a job.
const (
	// HeaderReply is where its answer is awaited.
	HeaderReply = "Vedette-Reply"
	// HeaderFirstStored is when the job was first stored.
	HeaderFirstStored = "Vedette-First-Stored"
)

// Publish stores a message, and returns when the server has it. While the
// server does not answer, it tries again until ctx ends. The error is
// [ErrFull], [ErrOccupied], [ErrTooLarge], [ErrFenced], or why it could not be
// stored.
func (p *Pipeline) Publish(ctx context.Context, m Message) error {
	_, err := p.Store(ctx, m)
	return err
}

// Stored is the server's word that it has a message.
type Stored struct {
	// Sequence is the message's within its stream.
	Sequence uint64
	// Tries is how often it was published until then.
	Tries int
	// Before says that an earlier try had stored it, whose answer was lost.
	Before bool
}

// Store is [Pipeline.Publish] for whoever wants to know what the server said.
func (p *Pipeline) Store(ctx context.Context, m Message) (Stored, error) {
	return p.store(ctx, m.message(p.names), m.Wait)
}

func (p *Pipeline) publish(ctx context.Context, message *nats.Msg) error {
	_, err := p.store(ctx, message, false)
	return err
}

func (p *Pipeline) store(ctx context.Context, message *nats.Msg, wait bool) (Stored, error) {
	var stored Stored
	if err := unfenced(ctx); err != nil {
		return stored, fmt.Errorf("publish %s: %w", message.Subject, err)
	}
	err := retry(ctx, limited(func(ctx context.Context) error {
		stored.Tries++
		ack, err := p.js.PublishMsg(ctx, message)
		if err == nil {
			stored.Sequence, stored.Before = ack.Sequence, ack.Duplicate
			return nil
		}
		err = publishError(err)
		if stored.Tries > 1 && errors.Is(err, ErrOccupied) {
			stored.Sequence, stored.Before = p.isSameMessage(ctx, message)
		}
		if stored.Before {
			return nil
		}
		return err
	}), func(err error) bool { return transient(err) || wait && errors.Is(err, ErrFull) })
	if err != nil {
		return stored, fmt.Errorf("publish %s: %w", message.Subject, err)
	}
	return stored, nil
}

// isSameMessage tells whether it is this very message that occupies its subject, and
// where: an earlier try stored it, and the server's word of that was lost.
func (p *Pipeline) isSameMessage(ctx context.Context, message *nats.Msg) (uint64, bool) {
	id := message.Header.Get(jetstream.MsgIDHeader)
	if id == "" {
		return 0, false
	}
	stream, err := p.js.Stream(ctx, p.names.Stream(topology.StreamOf(p.names.CutPrefix(message.Subject))))
	if err != nil {
		return 0, false
	}
	found, err := stream.GetLastMsgForSubject(ctx, message.Subject)
	if err != nil || found.Header.Get(jetstream.MsgIDHeader) != id {
		return 0, false
	}
	return found.Sequence, true
}

// maxInFlight is how many messages PublishAll has on their way at once. More
// made no difference when measured, and would only fill memory.
const maxInFlight = 1024

// PublishAll stores many messages, pipelined with a bounded number in flight,
// and returns an error for each that was not stored, in the order of the
// messages: nil, [ErrFull], [ErrOccupied], [ErrTooLarge], [ErrFenced] or
// another. What the server did not answer is tried again, one by one, until
// ctx ends, and so is what a full stream refused if the message may wait.
func (p *Pipeline) PublishAll(ctx context.Context, messages []Message) []error {
	errs := make([]error, len(messages))
	if err := unfenced(ctx); err != nil {
		for i := range errs {
			errs[i] = fmt.Errorf("publish %s: %w", messages[i].Subject, err)
		}
		return errs
	}
	flights := make([]flight, min(len(messages), maxInFlight))
	settle := func(i int) { errs[i] = p.outcome(ctx, messages[i], flights[i%maxInFlight]) }
	for i, m := range messages {
		if i >= maxInFlight {
			settle(i - maxInFlight)
		}
		flights[i%maxInFlight] = p.launch(m.message(p.names))
	}
	for i := max(0, len(messages)-maxInFlight); i < len(messages); i++ {
		settle(i)
	}
	return errs
}

// outcome waits for what became of one of many messages.
func (p *Pipeline) outcome(ctx context.Context, m Message, f flight) error {
	err := publishError(f.land(ctx))
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && (transient(err) || m.Wait && errors.Is(err, ErrFull)):
		return p.Publish(ctx, m)
	default:
		return fmt.Errorf("publish %s: %w", m.Subject, err)
	}
}

// flight is one of many messages that are on their way at once.
type flight struct {
	future jetstream.PubAckFuture
	err    error     // why it did not leave
	until  time.Time // how long its answer is waited for
}

func (p *Pipeline) launch(message *nats.Msg) flight {
	future, err := p.js.PublishMsgAsync(message)
	return flight{future: future, err: err, until: time.Now().Add(tryTimeout)}
}

// land waits for the answer. When there is none to many messages, the time for
// which they are waited is the same, and not that of each after the other's.
func (f flight) land(ctx context.Context) error {
	if f.err != nil {
		return f.err
	}
	select {
	case <-f.future.Ok(): // of many messages most are stored by the time that one asks
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

// message is how the server stores it.
func (m Message) message(names topology.Names) *nats.Msg {
	message := nats.NewMsg(names.Subject(m.Subject))
	for key, value := range m.Header {
		message.Header.Set(key, value)
	}
	message.Data = m.Body
	if m.ID != "" {
		message.Header.Set(jetstream.MsgIDHeader, m.ID)
	}
	if m.Reply != "" {
		message.Header.Set(HeaderReply, m.Reply)
	}
	if !m.FirstStored.IsZero() {
		message.Header.Set(HeaderFirstStored, m.FirstStored.UTC().Format(time.RFC3339Nano))
	}
	return message
}

// Codes of the server. With storeFailed it refuses whatever its store refuses;
// which limit it was, only the description says. The others say that the whole
// account or server has no room.
const (
	storeFailed     = 10077
	accountFull     = 10002
	serverFull      = 10023
	serverDisksFull = 10047
)

// publishError gives the server's refusals our names.
func publishError(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: expected at most %d bytes", ErrTooLarge, topology.MaxMessage)
	case !errors.As(err, &api):
		return err
	case api.ErrorCode == storeFailed && strings.Contains(api.Description, "per subject"):
		return ErrOccupied
	case api.ErrorCode == storeFailed && strings.Contains(api.Description, "exceeded"):
		return ErrFull
	case api.ErrorCode == accountFull, api.ErrorCode == serverFull, api.ErrorCode == serverDisksFull,
		api.ErrorCode == storeFailed && strings.Contains(api.Description, "no space"):
		return fmt.Errorf("%w: the server says %q", ErrFull, api.Description)
	case strings.Contains(api.Description, "message size exceeds"):
		return fmt.Errorf("%w: expected at most %d bytes", ErrTooLarge, topology.MaxMessage)
	default:
		return err
	}
}
