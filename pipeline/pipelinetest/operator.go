package pipelinetest

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/topology"
)

// DeleteConsumer plays the operator who deletes a consumer by hand.
func DeleteConsumer(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream, name string) error {
	return p.JetStream().DeleteConsumer(ctx, p.Names().Stream(stream), name)
}

// ChangeConsumer plays the operator who changes a consumer by hand.
func ChangeConsumer(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream, name string, change func(*jetstream.ConsumerConfig)) error {
	config, err := ConsumerConfig(ctx, p, stream, name)
	if err != nil {
		return err
	}
	change(&config)
	_, err = p.JetStream().UpdateConsumer(ctx, p.Names().Stream(stream), config)
	return err
}

// ConsumerConfig is a consumer as the server has it.
func ConsumerConfig(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream, name string) (jetstream.ConsumerConfig, error) {
	consumer, err := p.JetStream().Consumer(ctx, p.Names().Stream(stream), name)
	if err != nil {
		return jetstream.ConsumerConfig{}, err
	}
	return consumer.CachedInfo().Config, nil
}

// CurrentReplicas is how many nodes hold all of a stream.
func CurrentReplicas(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream) (int, error) {
	found, err := p.JetStream().Stream(ctx, p.Names().Stream(stream))
	if err != nil {
		return 0, err
	}
	return current(found.CachedInfo().Cluster), nil
}

// CurrentConsumers is how many nodes hold all of a consumer.
func CurrentConsumers(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream, name string) (int, error) {
	found, err := p.JetStream().Consumer(ctx, p.Names().Stream(stream), name)
	if err != nil {
		return 0, err
	}
	return current(found.CachedInfo().Cluster), nil
}

func current(cluster *jetstream.ClusterInfo) int {
	if cluster == nil || cluster.Leader == "" {
		return 0
	}
	current := 1
	for _, peer := range cluster.Replicas {
		if peer.Current {
			current++
		}
	}
	return current
}

// StreamConfig is a stream as the server has it.
func StreamConfig(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream) (jetstream.StreamConfig, error) {
	found, err := p.JetStream().Stream(ctx, p.Names().Stream(stream))
	if err != nil {
		return jetstream.StreamConfig{}, err
	}
	return found.CachedInfo().Config, nil
}

// ChangeStream plays a program of another version.
func ChangeStream(ctx context.Context, p *pipeline.Pipeline, stream topology.Stream, change func(*jetstream.StreamConfig)) error {
	config, err := StreamConfig(ctx, p, stream)
	if err != nil {
		return err
	}
	change(&config)
	_, err = p.JetStream().UpdateStream(ctx, config)
	return err
}
