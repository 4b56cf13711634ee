package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Message is a message to publish.
type Message struct {
	// Subject has no prefix: see package topology.
	Subject string
	Body    []byte
	// ID, when set, lets the server drop a second message with the same id within
	// 20 s, so that it is safe to publish again.
	ID string
	// Wait retries while the stream is full, until the context ends.
	Wait bool
	// Reply is the address from [Replies.Await] for the answer.
	Reply string
	// FirstStored is when the job was first stored, if it is stored again.
	FirstStored time.Time
	// Header has further headers.
	Header map[string]string
}

// Job headers.
const (
	// HeaderReply is the address for the answer.
	HeaderReply = "Vedette-Reply"
	// HeaderFirstStored is when the job was first stored.
	HeaderFirstStored = "Vedette-First-Stored"
)

// ExpectLast returns the header of a message that the server stores only if the last
// one on its subject has the given sequence, 0 for none. The error is otherwise
// [job.ErrConflict].
func ExpectLast(sequence uint64) map[string]string {
	return map[string]string{jetstream.ExpectedLastSubjSeqHeader: strconv.FormatUint(sequence, 10)}
}

// message is the message as the server stores it.
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

// Publish stores a message, and returns when the server has it. While the server
// does not answer, it retries until ctx ends. The error is [ErrFull],
// [ErrOccupied], [ErrTooLarge], [ErrFenced], or another cause.
func (p *Pipeline) Publish(ctx context.Context, m Message) error {
	_, err := p.Store(ctx, m)
	return err
}

// Stored is the server's acknowledgement for a message.
type Stored struct {
	// Sequence is the message's within its stream.
	Sequence uint64
	// Tries is how often it was published.
	Tries int
	// Before means that an earlier try stored it and its acknowledgement was lost.
	Before bool
}

// Store is [Pipeline.Publish] with the server's acknowledgement.
func (p *Pipeline) Store(ctx context.Context, m Message) (Stored, error) {
	return p.store(ctx, m.message(p.names), m.Wait)
}

func (p *Pipeline) store(ctx context.Context, message *nats.Msg, wait bool) (Stored, error) {
	var stored Stored
	if err := unfenced(ctx); err != nil {
		return stored, fmt.Errorf("publish %s: %w", message.Subject, err)
	}
	caller := ctx
	err := retry(ctx, limited(func(ctx context.Context) error {
		stored.Tries++
		ack, err := p.js.PublishMsg(ctx, message)
		p.observe(caller, topology.StreamOf(p.names.CutPrefix(message.Subject)), err)
		if err == nil {
			stored.Sequence, stored.Before = ack.Sequence, ack.Duplicate
			return nil
		}
		err = publishError(err)
		if stored.Tries > 1 && errors.Is(err, ErrOccupied) {
			stored.Sequence, stored.Before = isSameMessage(ctx, p, message)
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

// isSameMessage reports whether the message itself occupies its subject, because
// an earlier try stored it and the acknowledgement was lost. It also returns the
// sequence.
func isSameMessage(ctx context.Context, p *Pipeline, message *nats.Msg) (uint64, bool) {
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

// Notify stores a notice for the operators, and sets its version, time and source
// if they are missing. A second notice with the same id within 20 s is dropped.
func (p *Pipeline) Notify(ctx context.Context, n job.Notice) error {
	n.V = job.Version
	if n.At.IsZero() {
		n.At = time.Now().UTC()
	}
	if n.Source == "" {
		n.Source = p.config.Process
	}
	return PublishJob(ctx, p, n, Message{Subject: topology.NoticeSubject(n.Kind), ID: "notice-" + n.ID})
}
