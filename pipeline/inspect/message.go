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

// ExistsOnLeader reports whether a stream holds a message with a subject. The
// answer is the leader's, which knows every acknowledged message; it takes the
// rights of an admin. Without a leader, it asks again until ctx ends.
func ExistsOnLeader(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream, subject string) (bool, error) {
	err := pipeline.Retry(ctx, func(ctx context.Context) error {
		_, err := readLeader(ctx, p, p.Names().Stream(stream), map[string]any{"last_by_subj": p.Names().Subject(subject)})
		return err
	})
	if errors.Is(err, pipeline.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", subject, err)
	}
	return true, nil
}

// NextOnLeader returns the first message at or after a sequence whose subject
// matches a filter. The answer is the leader's, as in [ExistsOnLeader]. The error is
// [pipeline.ErrNotFound] if there is none.
func NextOnLeader(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream, sequence uint64, filter string) (pipeline.Delivery, error) {
	found, err := readLeader(ctx, p, p.Names().Stream(stream), map[string]any{"seq": sequence, "next_by_subj": p.Names().Subject(filter)})
	if err != nil {
		return pipeline.Delivery{}, fmt.Errorf("read %s from %d: %w", filter, sequence, err)
	}
	header := nats.Header{}
	if len(found.Header) > 0 {
		if header, err = nats.DecodeHeadersMsg(found.Header); err != nil {
			return pipeline.Delivery{}, fmt.Errorf("read %s: %w", found.Subject, err)
		}
	}
	return pipeline.Delivery{
		Subject: p.Names().CutPrefix(found.Subject), Body: found.Data, Header: header,
		Sequence: found.Sequence, Stored: found.Time, FirstStored: pipeline.FirstStored(header, found.Time),
	}, nil
}

// Exists reports whether a job with a subject is queued or running. The answer is
// that of any replica, which may be behind. The subject may have wildcards. While
// the server does not answer, it asks again until ctx ends.
func Exists(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream, subject string) (bool, error) {
	err := pipeline.Retry(ctx, func(ctx context.Context) error {
		found, err := p.JetStream().Stream(ctx, p.Names().Stream(stream))
		if err != nil {
			return err
		}
		_, err = found.GetLastMsgForSubject(ctx, p.Names().Subject(subject))
		return err
	})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", subject, err)
	}
	return true, nil
}

// LastMessage returns the last message with a subject, and when it was stored. The
// error is [pipeline.ErrNotFound] if there is none.
func LastMessage(ctx context.Context, p *pipeline.Pipeline, name topology.Stream, subject string) (body []byte, stored time.Time, err error) {
	found, err := LastDelivery(ctx, p, name, subject)
	return found.Body, found.Stored, err
}

// LastDelivery is [LastMessage] with the sequence.
func LastDelivery(ctx context.Context, p *pipeline.Pipeline, name topology.Stream, subject string) (pipeline.Delivery, error) {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
	if err == nil {
		var found *jetstream.RawStreamMsg
		if found, err = stream.GetLastMsgForSubject(ctx, p.Names().Subject(subject)); err == nil {
			return pipeline.Delivery{Subject: subject, Body: found.Data, Sequence: found.Sequence, Stored: found.Time}, nil
		}
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = pipeline.ErrNotFound
	}
	return pipeline.Delivery{}, fmt.Errorf("read last of %s: %w", subject, err)
}
