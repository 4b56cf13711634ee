package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/clock"
	"vedette/pipeline/topology"
)

// Schedules in the server's six-field cron.
const (
	everySecond      = "* * * * * *"
	everyFiveSeconds = "*/5 * * * * *"
)

// RestartClocks sets the schedules again that make shards tick. The server
// computes the next time of a schedule when the previous one has come, on the wall
// clock: after the clock was set back, no shard ticks until that time comes again.
//
// The schedule beat does nothing but keep the server's timer for the stream TIMER
// short. After the clock was set forward, the server sets that timer no more until
// it has fired once (MsgScheduling.resetTimer of nats-server 2.15 compares two
// times on the wall clock), which without a beat takes until the next timer that
// was set before.
//
// Schedules from a newer program stay as they are.
func (p *Pipeline) RestartClocks(ctx context.Context) error {
	i := installer{Pipeline: p}
	_, there, err := i.clocks(ctx)
	if err != nil {
		return fmt.Errorf("restart clocks: %w", err)
	}
	if there.newer {
		return nil
	}
	for subject := range there.schedules {
		if err := i.startClock(ctx, i.names.CutPrefix(subject)); err != nil {
			return err
		}
	}
	return i.startBeat(ctx)
}

// clocks are the schedules that make shards tick.
type clocks struct {
	schedules map[string]uint64 // how many there are, by subject
	newer     bool              // a newer program has configured the stream
	ahead     bool              // the last tick has a time that has not come yet
}

// clocks returns the stream TICK and its schedules.
func (i installer) clocks(ctx context.Context) (stream jetstream.Stream, there clocks, err error) {
	err = i.gathering(ctx, "read clocks", func(ctx context.Context) error {
		var err error
		if stream, err = i.js.Stream(ctx, i.names.Stream(topology.Tick)); err != nil {
			return err
		}
		there.newer = topology.IsNewer(stream.CachedInfo().Config.Metadata)
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(i.names.Subject(topology.ClockSubject("*"))))
		if err == nil {
			there.schedules, there.ahead = info.State.Subjects, !info.TimeStamp.IsZero() && info.State.LastTime.Sub(info.TimeStamp) > clock.Tolerance
		}
		return err
	})
	return stream, there, err
}

// ensureClocks starts a clock for each shard, and stops clocks without a
// shard. It does not write existing clocks again, except after the clock was set
// back: a replaced schedule loses its next tick.
func (i installer) ensureClocks(ctx context.Context) error {
	stream, there, err := i.clocks(ctx)
	if err != nil {
		return fmt.Errorf("ensure clocks: %w", err)
	}
	if there.newer {
		return nil // and so are its clocks
	}
	for shard := range i.config.Shards {
		holder := topology.ClockSubject(strconv.Itoa(shard))
		subject := i.names.Subject(holder)
		stands := there.schedules[subject] == 0 || there.ahead
		delete(there.schedules, subject)
		if !stands {
			continue
		}
		if err := i.startClock(ctx, holder); err != nil {
			return err
		}
	}
	for subject := range there.schedules {
		purge := func(ctx context.Context) error { return stream.Purge(ctx, jetstream.WithPurgeSubject(subject)) }
		if err := i.RetryUnavailable(ctx, "stop clocks", limited(purge)); err != nil {
			return fmt.Errorf("stop clock %s: %w", subject, err)
		}
	}
	return i.startBeat(ctx)
}

// startBeat sets the schedule beat. One that exists may be replaced: nothing
// depends on a single beat.
func (i installer) startBeat(ctx context.Context) error {
	const id = "0"
	message := schedule{at: everyFiveSeconds, holder: topology.SetTimerSubject(topology.TimerBeat, id), target: topology.TimerSubject(topology.TimerBeat, id)}.message(i.names)
	ctx, cancel := context.WithTimeout(ctx, i.config.Patience)
	defer cancel()
	if _, err := i.store(ctx, message, false); err != nil {
		return fmt.Errorf("start beat: %w", err)
	}
	return nil
}

// startClock sets the schedule that makes a shard tick.
func (i installer) startClock(ctx context.Context, holder string) error {
	target := topology.TickSubject(strings.TrimPrefix(holder, topology.ClockSubject("")))
	ctx, cancel := context.WithTimeout(ctx, i.config.Patience)
	defer cancel()
	if _, err := i.store(ctx, schedule{at: everySecond, holder: holder, target: target}.message(i.names), false); err != nil {
		return fmt.Errorf("start clock %s: %w", holder, err)
	}
	return nil
}
