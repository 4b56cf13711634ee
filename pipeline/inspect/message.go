package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/topology"
)

// LastMessage returns the last message with a subject, and when it was stored. The
// error is [pipeline.ErrNotFound] if there is none.
func LastMessage(ctx context.Context, p *pipeline.Pipeline, name topology.Stream, subject string) (body []byte, stored time.Time, err error) {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
	if err == nil {
		var found *jetstream.RawStreamMsg
		if found, err = stream.GetLastMsgForSubject(ctx, p.Names().Subject(subject)); err == nil {
			return found.Data, found.Time, nil
		}
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = pipeline.ErrNotFound
	}
	return nil, time.Time{}, fmt.Errorf("read last of %s: %w", subject, err)
}
