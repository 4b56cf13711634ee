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

// Waiting tells how many jobs of a consumer nobody has taken yet, and how old
// the first of them is: zero when none waits, or who asks may not see it. A
// consumer that is not there, or before which nothing can pile up, has none. The
// error is that of a server that does not answer.
func Waiting(ctx context.Context, p *pipeline.Pipeline, consumer topology.Consumer, now time.Time) (waiting uint64, oldest time.Duration, err error) {
	found, err := p.JetStream().Consumer(ctx, p.Names().Stream(consumer.Stream), consumer.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read queue %s: %w", consumer.Name, err)
	}
	info := found.CachedInfo()
	if info.NumPending == 0 {
		return 0, 0, nil
	}
	return info.NumPending, oldestAge(ctx, p, consumer.Stream, info, now), nil
}

// oldestAge is the age of the first message that was not delivered yet.
func oldestAge(ctx context.Context, p *pipeline.Pipeline, name topology.Stream, info *jetstream.ConsumerInfo, now time.Time) time.Duration {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
	if err != nil {
		return 0
	}
	var options []jetstream.GetMsgOpt
	if filter := info.Config.FilterSubject; filter != "" {
		options = append(options, jetstream.WithGetMsgSubject(filter))
	}
	first, err := stream.GetMsg(ctx, info.Delivered.Stream+1, options...)
	if err != nil {
		return 0 // somebody has just taken it
	}
	return max(0, now.Sub(first.Time))
}

// Delivered is how many jobs of a consumer have been delivered since it was made,
// those that came again included, and how many wait. One that is not there has
// none.
func Delivered(ctx context.Context, p *pipeline.Pipeline, consumer topology.Consumer) (delivered, waiting uint64, err error) {
	found, err := p.JetStream().Consumer(ctx, p.Names().Stream(consumer.Stream), consumer.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read progress of %s: %w", consumer.Name, err)
	}
	info := found.CachedInfo()
	return info.Delivered.Consumer, info.NumPending, nil
}
