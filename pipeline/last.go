package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// LastMessage returns the last message of a subject of a stream, and when it was
// stored. The error is [ErrNotFound] when there is none.
func (p *Pipeline) LastMessage(ctx context.Context, name Stream, subject string) (body []byte, stored time.Time, err error) {
	stream, err := p.js.Stream(ctx, p.names.Stream(name))
	if err == nil {
		var found *jetstream.RawStreamMsg
		if found, err = stream.GetLastMsgForSubject(ctx, p.names.Subject(subject)); err == nil {
			return found.Data, found.Time, nil
		}
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = ErrNotFound
	}
	return nil, time.Time{}, fmt.Errorf("read last of %s: %w", subject, err)
}
