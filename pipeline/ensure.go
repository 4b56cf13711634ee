package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrTooFewNodes is returned by [Pipeline.Ensure] when the server, or its
// cluster, has fewer nodes than streams are to have replicas.
var ErrTooFewNodes = errors.New("too few nodes for so many replicas")

// Ensure makes the streams, buckets and clocks of the installation what this
// program expects: what is missing is created, what differs is changed, what
// is right is left alone, and so is what a newer program has configured. Call it from the process that owns the installation,
// at every start. The number of replicas changes while everything runs; new
// ones catch up by themselves, those of consumers within half a minute, before
// which no node should be taken away. A cluster that is just coming together, or
// chooses a leader, is given time: see [Pipeline.RetryUnavailable]. The error is [ErrTooFewNodes], or names the stream that the
// server refuses to change; nothing is ever deleted to make it fit.
func (p *Pipeline) Ensure(ctx context.Context) error {
	top := topology(p.names, p.config.Replicas)
	for _, config := range top.Streams {
		if err := p.ensureStream(ctx, config); err != nil {
			return fmt.Errorf("ensure stream %s: %w", config.Name, err)
		}
	}
	for _, config := range top.Buckets {
		if err := p.ensureBucket(ctx, config); err != nil {
			return fmt.Errorf("ensure bucket %s: %w", config.Bucket, err)
		}
	}
	return p.ensureClocks(ctx)
}

func (p *Pipeline) ensureStream(ctx context.Context, config jetstream.StreamConfig) error {
	return p.gathering(ctx, "ensure stream "+config.Name, func(ctx context.Context) error {
		kept, err := p.keep(ctx, config.Name)
		if kept || err != nil {
			return err
		}
		config.Metadata = madeBy(layout)
		if config.Replicas, err = p.replicas(ctx, config.Name); err != nil {
			return err
		}
		_, err = p.js.CreateOrUpdateStream(ctx, config)
		return err
	})
}

func (p *Pipeline) ensureBucket(ctx context.Context, config jetstream.KeyValueConfig) error {
	return p.gathering(ctx, "ensure bucket "+config.Bucket, func(ctx context.Context) error {
		kept, err := p.keep(ctx, "KV_"+config.Bucket)
		if kept || err != nil {
			return err
		}
		config.Metadata = madeBy(layout)
		if config.Replicas, err = p.replicas(ctx, "KV_"+config.Bucket); err != nil {
			return err
		}
		_, err = p.js.CreateOrUpdateKeyValue(ctx, config)
		return err
	})
}

// replicas is how many a stream is to have. A process that was not told leaves
// them alone, lest it undo what another one was told.
func (p *Pipeline) replicas(ctx context.Context, stream string) (int, error) {
	if p.config.Replicas != 0 {
		return p.config.Replicas, nil
	}
	found, err := p.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	return max(1, found.CachedInfo().Config.Replicas), nil
}

// gatherTime is how long a cluster may take to know of its nodes.
const gatherTime = 15 * time.Second

// Codes of the server for too few nodes: for now, and when it is alone.
const (
	noPeers      = 10005
	notClustered = 10074
)

// gathering changes something of the cluster, which may be coming together, or
// be about to choose a leader.
func (p *Pipeline) gathering(ctx context.Context, what string, change func(context.Context) error) error {
	began := time.Now()
	passing := func(err error) bool {
		return transient(err) || refused(err, noPeers) && time.Since(began) < gatherTime
	}
	err := p.retryUnavailable(ctx, what, passing, limited(change))
	if refused(err, noPeers) || refused(err, notClustered) {
		return fmt.Errorf("%w: expected %d: %w", ErrTooFewNodes, p.config.Replicas, err)
	}
	return err
}

func refused(err error, code jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == code
}

// Leader returns the name of the node that leads a stream, which is where the
// loss of a node costs most; empty on a server alone, and while there is none.
func (p *Pipeline) Leader(ctx context.Context, name Stream) (string, error) {
	stream, err := p.js.Stream(ctx, p.names.Stream(name))
	if err != nil {
		return "", fmt.Errorf("find leader of %s: %w", p.names.Stream(name), err)
	}
	if stream.CachedInfo().Cluster == nil {
		return "", nil
	}
	return stream.CachedInfo().Cluster.Leader, nil
}

// everySecond is a schedule of the server's six-field cron.
const everySecond = "* * * * * *"

// ensureClocks makes one clock tick for each shard, and stops the clocks of
// shards that are no more. A clock that is there is not written again: a
// schedule that is replaced loses its next tick.
func (p *Pipeline) ensureClocks(ctx context.Context) error {
	var stream jetstream.Stream
	var there map[string]uint64
	newer := false
	err := p.gathering(ctx, "ensure clocks", func(ctx context.Context) error {
		var err error
		if stream, err = p.js.Stream(ctx, p.names.Stream(Tick)); err != nil {
			return err
		}
		newer = layoutOf(stream.CachedInfo().Config.Metadata) > layout
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(p.names.Subject("tick.clock.*")))
		if err == nil {
			there = info.State.Subjects
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("ensure clocks: %w", err)
	}
	if newer {
		return nil // so are its clocks
	}
	for shard := range p.config.Shards {
		subject := p.names.Subject("tick.clock", strconv.Itoa(shard))
		if there[subject] > 0 {
			delete(there, subject)
			continue
		}
		if err := p.startClock(ctx, shard, subject); err != nil {
			return err
		}
	}
	for subject := range there {
		purge := func(ctx context.Context) error { return stream.Purge(ctx, jetstream.WithPurgeSubject(subject)) }
		if err := p.RetryUnavailable(ctx, "stop clocks", limited(purge)); err != nil {
			return fmt.Errorf("stop clock %s: %w", subject, err)
		}
	}
	return nil
}

func (p *Pipeline) startClock(ctx context.Context, shard int, subject string) error {
	message := nats.NewMsg(subject)
	message.Header.Set("Nats-Schedule", everySecond)
	message.Header.Set("Nats-Schedule-Target", p.names.Subject("tick.due", strconv.Itoa(shard)))
	ctx, cancel := context.WithTimeout(ctx, p.config.Patience)
	defer cancel()
	if err := p.publish(ctx, message); err != nil {
		return fmt.Errorf("start clock %d: %w", shard, err)
	}
	return nil
}
