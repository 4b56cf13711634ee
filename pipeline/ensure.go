package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
)

// ErrTooFewNodes is returned by [Pipeline.Ensure] when the cluster has fewer nodes
// than [Config.Replicas].
var ErrTooFewNodes = errors.New("too few nodes for so many replicas")

// Ensure creates or updates the installation's streams, buckets and clocks,
// except those that a newer program has configured. The process that owns the
// installation calls it at every start. The replica count can change at any time; new replicas
// catch up automatically, consumer replicas within half a minute, before which no
// node should be removed. While a cluster forms or elects
// a leader, Ensure retries: see [Pipeline.RetryUnavailable]. The error is
// [ErrTooFewNodes], or names the stream that the server refuses to change; Ensure
// never deletes a stream.
func (p *Pipeline) Ensure(ctx context.Context) error {
	i := installer{Pipeline: p}
	for _, config := range topology.Streams(p.names, p.config.Replicas) {
		if err := i.ensureStream(ctx, config); err != nil {
			return fmt.Errorf("ensure stream %s: %w", config.Name, err)
		}
	}
	for _, config := range topology.Buckets(p.names, p.config.Replicas) {
		if err := i.ensureBucket(ctx, config); err != nil {
			return fmt.Errorf("ensure bucket %s: %w", config.Bucket, err)
		}
	}
	return i.ensureClocks(ctx)
}

// installer configures streams, buckets and clocks.
type installer struct{ *Pipeline }

func (i installer) ensureStream(ctx context.Context, config jetstream.StreamConfig) error {
	return i.ensure(ctx, config.Name, func(ctx context.Context, replicas int) error {
		config.Metadata, config.Replicas = topology.Metadata(), replicas
		_, err := i.js.CreateOrUpdateStream(ctx, config)
		return err
	})
}

func (i installer) ensureBucket(ctx context.Context, config jetstream.KeyValueConfig) error {
	return i.ensure(ctx, "KV_"+config.Bucket, func(ctx context.Context, replicas int) error {
		config.Metadata, config.Replicas = topology.Metadata(), replicas
		_, err := i.js.CreateOrUpdateKeyValue(ctx, config)
		return err
	})
}

// ensure writes a stream unless a newer program configured it. Without a
// configured replica count, the present one stays, which another process may have
// configured.
func (i installer) ensure(ctx context.Context, stream string, write func(ctx context.Context, replicas int) error) error {
	return i.gathering(ctx, "ensure stream "+stream, func(ctx context.Context) error {
		found, err := i.js.Stream(ctx, stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return write(ctx, max(1, i.config.Replicas))
		}
		if err != nil {
			return err
		}
		config := found.CachedInfo().Config
		if topology.IsNewer(config.Metadata) {
			return i.keep(ctx, config)
		}
		return write(ctx, max(1, cmp.Or(i.config.Replicas, config.Replicas)))
	})
}

// gatherTime is how long a cluster may take to discover its nodes.
const gatherTime = 15 * time.Second

// Server error codes for too few nodes: for now, and outside a cluster.
const (
	noPeers      = 10005
	notClustered = 10074
)

// gathering makes a change to a cluster that may be forming or electing a leader.
func (i installer) gathering(ctx context.Context, what string, change func(context.Context) error) error {
	began := time.Now()
	passing := func(err error) bool {
		return transient(err) || refused(err, noPeers) && time.Since(began) < gatherTime
	}
	err := i.retryPatiently(ctx, what, passing, limited(change))
	if refused(err, noPeers) || refused(err, notClustered) {
		return fmt.Errorf("%w: expected %d: %w", ErrTooFewNodes, i.config.Replicas, err)
	}
	return err
}

func refused(err error, code jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == code
}

// keep leaves a stream as a newer program configured it, except for a configured
// replica count.
func (i installer) keep(ctx context.Context, config jetstream.StreamConfig) error {
	i.log.WarnContext(ctx, "stream was configured by a newer version and stays as it is",
		"stream", config.Name, "layout", topology.LayoutOf(config.Metadata), "own", topology.Layout)
	if i.config.Replicas == 0 || i.config.Replicas == config.Replicas {
		return nil
	}
	config.Replicas = i.config.Replicas
	_, err := i.js.UpdateStream(ctx, config)
	return err
}
