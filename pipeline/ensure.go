package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Ensure makes the streams, buckets and clocks of the installation what this
// program expects: what is missing is created, what differs is changed, what
// is right is left alone. Call it from the process that owns the installation,
// at every start. A change that the server refuses is an error that names the
// stream; nothing is ever deleted to make it fit.
func (p *Pipeline) Ensure(ctx context.Context) error {
	top := topology(p.names, p.config.Replicas)
	for _, config := range top.Streams {
		if _, err := p.js.CreateOrUpdateStream(ctx, config); err != nil {
			return fmt.Errorf("ensure stream %s: %w", config.Name, err)
		}
	}
	for _, config := range top.Buckets {
		if _, err := p.js.CreateOrUpdateKeyValue(ctx, config); err != nil {
			return fmt.Errorf("ensure bucket %s: %w", config.Bucket, err)
		}
	}
	return p.ensureClocks(ctx)
}

// everySecond is a schedule of the server's six-field cron.
const everySecond = "* * * * * *"

// ensureClocks makes one clock tick for each shard, and stops the clocks of
// shards that are no more. A clock that is there is not written again: a
// schedule that is replaced loses its next tick.
func (p *Pipeline) ensureClocks(ctx context.Context) error {
	stream, err := p.js.Stream(ctx, p.names.Stream(Tick))
	if err != nil {
		return fmt.Errorf("ensure clocks: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(p.names.Subject("tick.clock.*")))
	if err != nil {
		return fmt.Errorf("ensure clocks: %w", err)
	}
	there := info.State.Subjects
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
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("stop clock %s: %w", subject, err)
		}
	}
	return nil
}

func (p *Pipeline) startClock(ctx context.Context, shard int, subject string) error {
	message := nats.NewMsg(subject)
	message.Header.Set("Nats-Schedule", everySecond)
	message.Header.Set("Nats-Schedule-Target", p.names.Subject("tick.due", strconv.Itoa(shard)))
	if _, err := p.js.PublishMsg(ctx, message); err != nil {
		return fmt.Errorf("start clock %d: %w", shard, err)
	}
	return nil
}

// ErrNotInstalled is returned by [Pipeline.CheckInstalled] when nobody has
// made the streams yet.
var ErrNotInstalled = errors.New("no installation found on this server")

// CheckInstalled tells whether the installation is there, for commands that
// must not create one by accident. The error is [ErrNotInstalled], or why it
// could not be found out.
func (p *Pipeline) CheckInstalled(ctx context.Context) error {
	_, err := p.js.Stream(ctx, p.names.Stream(Checks))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("find stream %s: %w", p.names.Stream(Checks), ErrNotInstalled)
	}
	if err != nil {
		return fmt.Errorf("find stream %s: %w", p.names.Stream(Checks), err)
	}
	return nil
}
