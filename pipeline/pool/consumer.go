package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
)

// stream is the server's name for the pool's stream.
func (l *Pool) stream() string { return l.p.Names().Stream(l.config.Consumer.Stream) }

// bind creates or updates the consumer, except one that a newer program has
// configured.
func (l *Pool) bind(ctx context.Context) error {
	if newer, err := l.boundByNewer(ctx); newer || err != nil {
		return err
	}
	filter := ""
	if l.config.Consumer.Filter != "" {
		filter = l.p.Names().Subject(l.config.Consumer.Filter)
	}
	consumer, err := l.p.JetStream().CreateOrUpdateConsumer(ctx, l.stream(), jetstream.ConsumerConfig{
		Durable:       l.config.Consumer.Name,
		FilterSubject: filter,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       l.config.AckWait,
		// The pool settles each job. A limit here would leave a job in a work
		// queue that is never delivered and blocks its subject.
		MaxDeliver:    -1,
		MaxAckPending: l.config.MaxUnsettled,
		Metadata:      topology.Metadata(),
	})
	if err != nil {
		return fmt.Errorf("bind consumer %s: %w", l.config.Consumer.Name, err)
	}
	if info := consumer.CachedInfo(); info.NumAckPending > 0 {
		return l.touchIfAhead(ctx, info)
	}
	return nil
}

// lastSequence is the newest sequence in a queue whose jobs may have had attempts
// that their consumer does not know any more, since a starting process resets
// consumers; otherwise zero. The jobs in other queues are made again soon, and a
// million of them must not be looked up.
func (l *Pool) lastSequence(ctx context.Context) (uint64, error) {
	if !isUnbounded(l.config.Consumer.Stream) {
		return 0, nil
	}
	stream, err := l.p.JetStream().Stream(ctx, l.stream())
	if err != nil {
		return 0, fmt.Errorf("read last sequence of %s: %w", l.stream(), err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// boundByNewer reports whether a newer program has configured the consumer.
func (l *Pool) boundByNewer(ctx context.Context) (bool, error) {
	found, err := l.p.JetStream().Consumer(ctx, l.stream(), l.config.Consumer.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("bind consumer %s: %w", l.config.Consumer.Name, err)
	}
	config := &found.CachedInfo().Config
	if !topology.IsNewer(config.Metadata) {
		return false, nil
	}
	l.config.AckWait = min(l.config.AckWait, config.AckWait) // it decides how often the hold on jobs is renewed
	return true, nil
}

// bindTimeout bounds one try to create the consumer again.
const bindTimeout = 2 * time.Second

// restore creates the consumer again after it was deleted. It does so in a
// goroutine, because the server may take long to answer that the consumer exists.
func (r *run) restore(ctx context.Context, pull *puller) {
	if !pull.gone || !r.restoring.CompareAndSwap(false, true) {
		return
	}
	pull.gone = false
	r.settling.Go(func() {
		defer r.restoring.Store(false)
		limited, cancel := context.WithTimeout(ctx, bindTimeout)
		defer cancel()
		if err := r.bind(limited); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "consumer could not be restored; retrying", "error", err)
		}
	})
}
