package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
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

// installer configures the streams, buckets and clocks of an installation.
type installer struct{ *Pipeline }

func (i installer) ensureStream(ctx context.Context, config jetstream.StreamConfig) error {
	return i.gathering(ctx, "ensure stream "+config.Name, func(ctx context.Context) error {
		kept, err := i.keep(ctx, config.Name)
		if kept || err != nil {
			return err
		}
		config.Metadata = topology.Metadata()
		if config.Replicas, err = i.replicas(ctx, config.Name); err != nil {
			return err
		}
		_, err = i.js.CreateOrUpdateStream(ctx, config)
		return err
	})
}

func (i installer) ensureBucket(ctx context.Context, config jetstream.KeyValueConfig) error {
	return i.gathering(ctx, "ensure bucket "+config.Bucket, func(ctx context.Context) error {
		kept, err := i.keep(ctx, "KV_"+config.Bucket)
		if kept || err != nil {
			return err
		}
		config.Metadata = topology.Metadata()
		if config.Replicas, err = i.replicas(ctx, "KV_"+config.Bucket); err != nil {
			return err
		}
		_, err = i.js.CreateOrUpdateKeyValue(ctx, config)
		return err
	})
}

// replicas is how many a stream is to have. A process that was not told leaves
// them alone, lest it undo what another one was told.
func (i installer) replicas(ctx context.Context, stream string) (int, error) {
	if i.config.Replicas != 0 {
		return i.config.Replicas, nil
	}
	found, err := i.js.Stream(ctx, stream)
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

// everySecond is a schedule of the server's six-field cron.
const everySecond = "* * * * * *"

// ensureClocks makes one clock tick for each shard, and stops the clocks of
// shards that are no more. A clock that is there is not written again: a
// schedule that is replaced loses its next tick.
func (i installer) ensureClocks(ctx context.Context) error {
	var stream jetstream.Stream
	var there map[string]uint64
	newer := false
	err := i.gathering(ctx, "ensure clocks", func(ctx context.Context) error {
		var err error
		if stream, err = i.js.Stream(ctx, i.names.Stream(topology.Tick)); err != nil {
			return err
		}
		newer = topology.IsNewer(stream.CachedInfo().Config.Metadata)
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(i.names.Subject(topology.ClockSubject("*"))))
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
	for shard := range i.config.Shards {
		subject := i.names.Subject(topology.ClockSubject(strconv.Itoa(shard)))
		if there[subject] > 0 {
			delete(there, subject)
			continue
		}
		if err := i.startClock(ctx, shard); err != nil {
			return err
		}
	}
	for subject := range there {
		purge := func(ctx context.Context) error { return stream.Purge(ctx, jetstream.WithPurgeSubject(subject)) }
		if err := i.RetryUnavailable(ctx, "stop clocks", limited(purge)); err != nil {
			return fmt.Errorf("stop clock %s: %w", subject, err)
		}
	}
	return nil
}

func (i installer) startClock(ctx context.Context, shard int) error {
	message := schedule{at: everySecond, holder: topology.ClockSubject(strconv.Itoa(shard)), target: topology.TickSubject(strconv.Itoa(shard))}.message(i.names)
	ctx, cancel := context.WithTimeout(ctx, i.config.Patience)
	defer cancel()
	if err := i.publish(ctx, message); err != nil {
		return fmt.Errorf("start clock %d: %w", shard, err)
	}
	return nil
}

// newer returns the configuration of a stream that a newer program configured,
// nil if none did.
func (i installer) newer(ctx context.Context, stream string) (*jetstream.StreamConfig, error) {
	found, err := i.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil //nolint:nilnil // there is no stream
	}
	if err != nil {
		return nil, err
	}
	config := found.CachedInfo().Config
	if !topology.IsNewer(config.Metadata) {
		return nil, nil //nolint:nilnil // the stream is not a newer program's
	}
	return &config, nil
}

// keep leaves a stream as a newer program configured it, except for the number
// of replicas, if one is configured. It reports whether the stream is such a one.
func (i installer) keep(ctx context.Context, stream string) (bool, error) {
	config, err := i.newer(ctx, stream)
	if config == nil || err != nil {
		return false, err
	}
	i.log.WarnContext(ctx, "stream was configured by a newer version and stays as it is",
		"stream", stream, "layout", topology.LayoutOf(config.Metadata), "own", topology.Layout)
	if i.config.Replicas == 0 || i.config.Replicas == config.Replicas {
		return true, nil
	}
	config.Replicas = i.config.Replicas
	_, err = i.js.UpdateStream(ctx, *config)
	return true, err
}
