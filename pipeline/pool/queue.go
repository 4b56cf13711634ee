package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Queue is a pool's queue, in all processes.
type Queue struct {
	Name string `json:"name"`
	// Waiting jobs were not delivered yet; Unsettled ones run or wait for another
	// attempt.
	Waiting   uint64 `json:"waiting"`
	Unsettled int    `json:"unsettled"`
	// Depth and Bytes count the whole stream. OldestAge is the age of the oldest
	// unsettled job, zero if there is none.
	Depth     uint64        `json:"depth"`
	Bytes     uint64        `json:"bytes"`
	OldestAge time.Duration `json:"-"`
}

// Queue asks the server about the pool's queue.
func (l *Pool) Queue(ctx context.Context, now time.Time) (Queue, error) {
	status := Queue{Name: l.config.Consumer.Name}
	stream, err := l.p.JetStream().Stream(ctx, l.stream())
	if err != nil {
		return status, fmt.Errorf("read queue %s: %w", l.config.Consumer.Name, err)
	}
	state := stream.CachedInfo().State
	status.Depth, status.Bytes = state.Msgs, state.Bytes
	consumer, err := stream.Consumer(ctx, l.config.Consumer.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return status, nil // not bound yet
	}
	if err != nil {
		return status, fmt.Errorf("read queue %s: %w", l.config.Consumer.Name, err)
	}
	info := consumer.CachedInfo()
	status.Waiting, status.Unsettled = info.NumPending, info.NumAckPending
	if info.NumPending == 0 && info.NumAckPending == 0 {
		return status, nil
	}
	oldest := state.FirstTime
	if stream.CachedInfo().Config.Retention == jetstream.LimitsPolicy { // settled messages stay in such a stream
		if message, err := stream.GetMsg(ctx, info.AckFloor.Stream+1); err == nil {
			oldest = message.Time
		}
	}
	if !oldest.IsZero() { // otherwise the last job was settled meanwhile
		status.OldestAge = max(0, now.Sub(oldest))
	}
	return status, nil
}
