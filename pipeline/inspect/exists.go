package inspect

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/topology"
)

// ExistsOnLeader tells whether a stream holds a message of a subject, by the word of the
// node that leads it, which misses nothing that was acknowledged; it takes the
// rights of an operator. While nobody leads, it asks again until ctx ends.
func ExistsOnLeader(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream, subject string) (bool, error) {
	err := pipeline.Retry(ctx, func(ctx context.Context) error {
		_, err := lead(ctx, p, p.Names().Stream(stream), map[string]any{"last_by_subj": p.Names().Subject(subject)})
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

// Exists tells whether a subject of a stream holds a job that is queued or
// running, by the word of any replica: one that is behind may not know of it yet,
// or still. The subject may hold wildcards. While the server does not answer, it
// asks again until ctx ends.
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
