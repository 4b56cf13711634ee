package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Lives tells whether a subject of a stream holds a job that is queued or
// running. The subject may hold wildcards.
func (p *Pipeline) Lives(ctx context.Context, stream Stream, subject string) (bool, error) {
	found, err := p.js.Stream(ctx, p.names.Stream(stream))
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", subject, err)
	}
	_, err = found.GetLastMsgForSubject(ctx, p.names.Subject(subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", subject, err)
	}
	return true, nil
}
