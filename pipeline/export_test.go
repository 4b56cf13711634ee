package pipeline

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// DeleteConsumer plays the operator who deletes a consumer by hand.
func DeleteConsumer(ctx context.Context, p *Pipeline, stream Stream, name string) error {
	return p.js.DeleteConsumer(ctx, p.names.Stream(stream), name)
}

// ChangeConsumer plays the operator who changes a consumer by hand.
func ChangeConsumer(ctx context.Context, p *Pipeline, stream Stream, name string, change func(*jetstream.ConsumerConfig)) error {
	config, err := ConsumerConfig(ctx, p, stream, name)
	if err != nil {
		return err
	}
	change(&config)
	_, err = p.js.UpdateConsumer(ctx, p.names.Stream(stream), config)
	return err
}

// ConsumerConfig is a consumer as the server has it.
func ConsumerConfig(ctx context.Context, p *Pipeline, stream Stream, name string) (jetstream.ConsumerConfig, error) {
	consumer, err := p.js.Consumer(ctx, p.names.Stream(stream), name)
	if err != nil {
		return jetstream.ConsumerConfig{}, err
	}
	return consumer.CachedInfo().Config, nil
}

// TopologyFor is what an installation is made of.
func TopologyFor(prefix string, replicas int) Topology {
	return topology(Names{Prefix: prefix}, replicas)
}

// Conn is the connection itself, for what a stranger would do with it.
func Conn(p *Pipeline) *nats.Conn { return p.conn }

// CurrentReplicas is how many nodes hold all of a stream.
func CurrentReplicas(ctx context.Context, p *Pipeline, stream Stream) (int, error) {
	found, err := p.js.Stream(ctx, p.names.Stream(stream))
	if err != nil {
		return 0, err
	}
	return current(found.CachedInfo().Cluster), nil
}

// CurrentConsumers is how many nodes hold all of a consumer.
func CurrentConsumers(ctx context.Context, p *Pipeline, stream Stream, name string) (int, error) {
	found, err := p.js.Consumer(ctx, p.names.Stream(stream), name)
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
func StreamConfig(ctx context.Context, p *Pipeline, stream Stream) (jetstream.StreamConfig, error) {
	found, err := p.js.Stream(ctx, p.names.Stream(stream))
	if err != nil {
		return jetstream.StreamConfig{}, err
	}
	return found.CachedInfo().Config, nil
}

// ChangeStream plays a program of another version.
func ChangeStream(ctx context.Context, p *Pipeline, stream Stream, change func(*jetstream.StreamConfig)) error {
	config, err := StreamConfig(ctx, p, stream)
	if err != nil {
		return err
	}
	change(&config)
	_, err = p.js.UpdateStream(ctx, config)
	return err
}
