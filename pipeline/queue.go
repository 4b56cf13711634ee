package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// QueueStatus is how much a pool's consumer has before it, in all processes.
type QueueStatus struct {
	Name string `json:"name"`
	// Waiting is how many jobs nobody has taken yet, Unsettled how many run or
	// wait for another attempt.
	Waiting   uint64 `json:"waiting"`
	Unsettled int    `json:"unsettled"`
	// Depth and Bytes are those of the whole stream. OldestAge is the age of the
	// oldest job that is not settled; zero when there is none.
	Depth     uint64        `json:"depth"`
	Bytes     uint64        `json:"bytes"`
	OldestAge time.Duration `json:"-"`
}

// Queue asks the server about the queue before a pool.
func (l *Pool) Queue(ctx context.Context, now time.Time) (QueueStatus, error) {
	status := QueueStatus{Name: l.config.Name}
	stream, err := l.p.js.Stream(ctx, l.p.names.Stream(l.config.Stream))
	if err != nil {
		return status, fmt.Errorf("read queue %s: %w", l.config.Name, err)
	}
	state := stream.CachedInfo().State
	status.Depth, status.Bytes = state.Msgs, state.Bytes
	consumer, err := stream.Consumer(ctx, l.config.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return status, nil // not bound yet
	}
	if err != nil {
		return status, fmt.Errorf("read queue %s: %w", l.config.Name, err)
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
	status.OldestAge = now.Sub(oldest)
	return status, nil
}

// Tail calls each with every message of a stream that is stored from now
// minus since on, until ctx ends. It takes nothing out: it is for pages and
// logs, which only look. It returns nil when ctx ends, and else why it could
// not go on.
func (p *Pipeline) Tail(ctx context.Context, name Stream, since time.Duration, each func(Delivery)) error {
	start := time.Now().Add(-since)
	consumer, err := p.js.OrderedConsumer(ctx, p.names.Stream(name), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &start,
	})
	if err != nil {
		return fmt.Errorf("follow stream %s: %w", name, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("follow stream %s: %w", name, err)
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	for {
		message, err := messages.Next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow stream %s: %w", name, err)
		}
		meta, err := message.Metadata()
		if err != nil {
			return fmt.Errorf("follow stream %s: %w", name, err)
		}
		each(Delivery{
			Subject: cutPrefix(message.Subject(), p.names.Prefix), Body: message.Data(),
			Sequence: meta.Sequence.Stream, Stored: meta.Timestamp, Attempt: 1,
		})
	}
}
