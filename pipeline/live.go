package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Count is how many messages a stream holds: of a queue's, the jobs that are
// not settled; of the dead letters, those that nobody has dropped.
func (p *Pipeline) Count(ctx context.Context, name Stream) (uint64, error) {
	stream, err := p.js.Stream(ctx, p.names.Stream(name))
	if err != nil {
		return 0, fmt.Errorf("count messages of %s: %w", p.names.Stream(name), err)
	}
	return stream.CachedInfo().State.Msgs, nil
}

// ExistsOnLeader tells whether a stream holds a message of a subject, by the word of the
// node that leads it, which misses nothing that was acknowledged; it takes the
// rights of an operator. While nobody leads, it asks again until ctx ends.
func (p *Pipeline) ExistsOnLeader(ctx context.Context, stream Stream, subject string) (bool, error) {
	err := persist(ctx, func(ctx context.Context) error {
		_, err := p.lead(ctx, p.names.Stream(stream), map[string]any{"last_by_subj": p.names.Subject(subject)})
		return err
	}, transient)
	if errors.Is(err, ErrNotFound) {
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
func (p *Pipeline) Exists(ctx context.Context, stream Stream, subject string) (bool, error) {
	err := persist(ctx, func(ctx context.Context) error {
		found, err := p.js.Stream(ctx, p.names.Stream(stream))
		if err != nil {
			return err
		}
		_, err = found.GetLastMsgForSubject(ctx, p.names.Subject(subject))
		return err
	}, transient)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", subject, err)
	}
	return true, nil
}
