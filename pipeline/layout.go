package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// layout is the version of [Topology] and of the consumers. It goes up with each
// change of theirs, so that a process that is older than the one which last
// configured a stream can tell, and leaves it alone: during an upgrade both are
// started again and again, and the older one must not undo the other's work.
const layout = 1

// layoutKey is where streams, buckets and consumers have it in their metadata.
const layoutKey = "vedette-layout"

func madeBy(layout int) map[string]string {
	return map[string]string{layoutKey: strconv.Itoa(layout)}
}

// layoutOf is the layout by which something was configured, 0 when it does not
// say.
func layoutOf(metadata map[string]string) int {
	version, _ := strconv.Atoi(metadata[layoutKey])
	return version
}

// madeByNewer returns the configuration of a stream that a newer program has
// configured, or nil if none has.
func (p *Pipeline) madeByNewer(ctx context.Context, stream string) (*jetstream.StreamConfig, error) {
	found, err := p.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil //nolint:nilnil // nobody has
	}
	if err != nil {
		return nil, err
	}
	config := found.CachedInfo().Config
	if layoutOf(config.Metadata) <= layout {
		return nil, nil //nolint:nilnil // nobody newer has
	}
	return &config, nil
}

// keep leaves a stream as a newer program has configured it, but for the number
// of copies, if we were told one. It reports whether the stream is such a one.
func (p *Pipeline) keep(ctx context.Context, stream string) (bool, error) {
	config, err := p.madeByNewer(ctx, stream)
	if config == nil || err != nil {
		return false, err
	}
	p.log.WarnContext(ctx, "stream was configured by a newer version of this program, and is left as it is",
		"stream", stream, "layout", layoutOf(config.Metadata), "own", layout)
	if p.config.Replicas == 0 || p.config.Replicas == config.Replicas {
		return true, nil
	}
	config.Replicas = p.config.Replicas
	_, err = p.js.UpdateStream(ctx, *config)
	return true, err
}

// boundByNewer tells whether a newer program has made the pool's consumer.
func (l *Pool) boundByNewer(ctx context.Context) (bool, error) {
	found, err := l.p.js.Consumer(ctx, l.p.names.Stream(l.config.Stream), l.config.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("bind consumer %s: %w", l.config.Name, err)
	}
	config := &found.CachedInfo().Config
	if layoutOf(config.Metadata) <= layout {
		return false, nil
	}
	l.config.AckWait = min(l.config.AckWait, config.AckWait) // which says how often the hold on jobs is renewed
	return true, nil
}
