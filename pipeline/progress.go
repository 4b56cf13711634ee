package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Delivered is how many jobs of a consumer have been delivered since it was made,
// those that came again included, and how many wait. One that is not there has
// none.
func (p *Pipeline) Delivered(ctx context.Context, stream Stream, consumer string) (delivered, waiting uint64, err error) {
	found, err := p.js.Consumer(ctx, p.names.Stream(stream), consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read progress of %s: %w", consumer, err)
	}
	info := found.CachedInfo()
	return info.Delivered.Consumer, info.NumPending, nil
}
