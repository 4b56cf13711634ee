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

// Waiting counts the jobs that a consumer has not delivered yet, and returns the
// first one's age, zero if there is none or without the right to read it. A
// missing consumer has none.
func Waiting(ctx context.Context, p *pipeline.Pipeline, consumer topology.Consumer, now time.Time) (waiting uint64, oldest time.Duration, err error) {
	info, err := consumerInfo(ctx, p, consumer)
	if err != nil || info == nil {
		return 0, 0, err
	}
	if info.NumPending == 0 {
		return 0, 0, nil
	}
	return info.NumPending, oldestAge(ctx, p, consumer.Stream, info, now), nil
}

// Outstanding counts the jobs that a consumer has not delivered yet, and those that
// run or wait for another attempt. A missing consumer has none.
func Outstanding(ctx context.Context, p *pipeline.Pipeline, consumer topology.Consumer) (waiting, unsettled uint64, err error) {
	info, err := consumerInfo(ctx, p, consumer)
	if err != nil || info == nil {
		return 0, 0, err
	}
	return info.NumPending, uint64(max(0, info.NumAckPending)), nil
}

// oldestAge is the age for the first message that was not delivered.
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
		return 0 // it was just delivered
	}
	return max(0, now.Sub(first.Time))
}

// Delivered returns how many jobs a consumer has delivered since it was created,
// redeliveries included, and how many wait. A missing consumer has none.
func Delivered(ctx context.Context, p *pipeline.Pipeline, consumer topology.Consumer) (delivered, waiting uint64, err error) {
	info, err := consumerInfo(ctx, p, consumer)
	if err != nil || info == nil {
		return 0, 0, err
	}
	return info.Delivered.Consumer, info.NumPending, nil
}

// consumerInfo reads the counts of a consumer, nil for a missing one.
func consumerInfo(ctx context.Context, p *pipeline.Pipeline, consumer topology.Consumer) (*jetstream.ConsumerInfo, error) {
	found, err := p.JetStream().Consumer(ctx, p.Names().Stream(consumer.Stream), consumer.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, nil //nolint:nilnil // it has no jobs
	}
	if err != nil {
		return nil, fmt.Errorf("read queue %s: %w", consumer.Name, err)
	}
	return found.CachedInfo(), nil
}
