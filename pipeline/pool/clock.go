package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/clock"
)

// The server keeps for each unsettled job when it was delivered, on the wall clock.
// After the clock was set forward, each hold seems to have expired; after it was set
// back, a job that waits for its next attempt, or was held by a process that is
// gone, waits for as long as the step.

// followStep renews the holds at once after the clock was set.
func (r *run) followStep(ctx context.Context, change clock.Change) {
	if change.Step == 0 {
		return
	}
	r.renew(ctx, time.Now())
	if change.Step < 0 {
		r.settling.Go(func() { r.restartWaits(ctx) })
	}
}

// restartWaits has the server count the time since all deliveries from now on. So
// jobs that wait come back after AckWait at the latest. Jobs that run, here or in
// other processes, are not delivered again, since their holds are renewed sooner.
func (l *Pool) restartWaits(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	consumer, err := l.p.JetStream().Consumer(limited, l.stream(), l.config.Consumer.Name)
	if err == nil {
		err = l.touch(consumer.CachedInfo())
	}
	if err != nil {
		l.log.WarnContext(ctx, "waiting jobs may be late by the step of the clock", "error", err)
	}
}

// maxTouched limits the messages that are looked at, the newest ones. In a work
// queue these are the unsettled jobs; in other streams most are settled, and what
// is sent about them has no effect.
const maxTouched = 1 << 20

// touch sends a sign of life for each delivery that may be unsettled. The server
// checks only the sequence in such a message.
func (l *Pool) touch(info *jetstream.ConsumerInfo) error {
	if info.NumAckPending == 0 {
		return nil
	}
	first, last := info.AckFloor.Stream+1, info.Delivered.Stream
	if last >= maxTouched {
		first = max(first, last-maxTouched+1)
	}
	for sequence := first; sequence <= last; sequence++ {
		subject := fmt.Sprintf("$JS.ACK.%s.%s.1.%d.%d.0.0", l.stream(), l.config.Consumer.Name, sequence, info.Delivered.Consumer)
		if err := l.p.Conn().Publish(subject, []byte("+WPI")); err != nil {
			return fmt.Errorf("renew hold on job %d: %w", sequence, err)
		}
	}
	return nil
}

// touchIfAhead is touch for a pool that starts after the clock was set back.
func (l *Pool) touchIfAhead(ctx context.Context, info *jetstream.ConsumerInfo) error {
	stream, err := l.p.JetStream().Stream(ctx, l.stream())
	if err != nil {
		return fmt.Errorf("read stream %s: %w", l.stream(), err)
	}
	if !isAhead(stream.CachedInfo()) {
		return nil
	}
	return l.touch(info)
}

// isAhead reports whether the last message was stored at a time that has not come
// yet: the clock was set back while no process was there.
func isAhead(info *jetstream.StreamInfo) bool {
	return !info.TimeStamp.IsZero() && info.State.LastTime.Sub(info.TimeStamp) > clock.Tolerance
}
