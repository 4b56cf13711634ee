package pipeline

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
)

// everySecond is a schedule in the server's six-field cron.
const everySecond = "* * * * * *"

// ensureClocks starts a clock for each shard, and stops clocks without a
// shard. It does not write existing clocks again: a replaced schedule loses its
// next tick.
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
		return nil // and so are its clocks
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
	if _, err := i.store(ctx, message, false); err != nil {
		return fmt.Errorf("start clock %d: %w", shard, err)
	}
	return nil
}
