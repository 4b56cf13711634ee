package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// ErrNotReplayable is returned by [Replay] for a dead letter without the subject
// of a job.
var ErrNotReplayable = errors.New("dead letter cannot be replayed")

// ErrStillQueued is returned by [Replay] for a dead letter whose job has not yet
// left its queue.
var ErrStillQueued = errors.New("job is still being set aside")

// Replay publishes a dead letter's job again, unchanged and with a new count of
// attempts, and drops the dead letter. It is idempotent: a job that is queued
// under the same id is left alone, and the effects of each stage bear the job's
// id. If the process dies in between, the dead letter can be replayed again.
//
// The stage notify has the writes of states as its jobs. A replay writes the
// present state again, which announces what has not been announced; the state in
// the dead letter is of the past.
//
// After an error the dead letter stays. The error is [ErrNotReplayable],
// [ErrStillQueued], [pipeline.ErrFull], or another cause.
func Replay(ctx context.Context, p *pipeline.Pipeline, dead Letter) error {
	err := republish(ctx, p, dead)
	if errors.Is(err, ErrStillQueued) {
		err = republishLater(ctx, p, dead)
	}
	if err != nil {
		return fmt.Errorf("replay dead letter %d: %w", dead.ID, err)
	}
	return Drop(ctx, p, dead.ID)
}

// How often, and how long, a replay waits for the job to leave its queue. If its
// acknowledgement was lost, it leaves after the next attempt.
const (
	pendingPoll    = 50 * time.Millisecond
	pendingTimeout = 10 * time.Second
)

// republishLater is republish for a job that is about to leave its queue.
func republishLater(ctx context.Context, p *pipeline.Pipeline, dead Letter) error {
	poll := time.NewTicker(pendingPoll)
	defer poll.Stop()
	patience := time.NewTimer(pendingTimeout)
	defer patience.Stop()
	for {
		select {
		case <-poll.C:
			if err := republish(ctx, p, dead); !errors.Is(err, ErrStillQueued) {
				return err
			}
		case <-patience.C:
			return ErrStillQueued
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func republish(ctx context.Context, p *pipeline.Pipeline, dead Letter) error {
	if key, ok := p.Names().CutKey(topology.States, dead.Subject); ok {
		return touch(ctx, p, key)
	}
	if !topology.IsJob(dead.Subject) { // a header is no proof that the subject is
		return fmt.Errorf("%w: found subject %q, expected that of a job", ErrNotReplayable, dead.Subject)
	}
	err := p.Publish(ctx, pipeline.Message{
		Subject: dead.Subject, Body: dead.Body, FirstStored: dead.FirstStoredAt,
		ID: "replay-" + strconv.FormatUint(dead.ID, 10),
	})
	if errors.Is(err, pipeline.ErrOccupied) {
		return leftQueue(ctx, p, dead) // it was enqueued again, or replayed before
	}
	return err
}

// leftQueue returns nil if another job occupies the subject, and [ErrStillQueued]
// if the dead job itself does: without its dead letter it would be lost.
func leftQueue(ctx context.Context, p *pipeline.Pipeline, dead Letter) error {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(topology.StreamOf(dead.Subject)))
	if err != nil {
		return err
	}
	found, err := stream.GetLastMsgForSubject(ctx, p.Names().Subject(dead.Subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && found.Sequence == dead.Sequence {
		return fmt.Errorf("replay %s: %w", dead.Subject, ErrStillQueued)
	}
	return err
}

// touch writes a state unchanged. A conflict means that it was written anyway.
func touch(ctx context.Context, p *pipeline.Pipeline, key string) error {
	states, err := p.Bucket(ctx, topology.States)
	if err != nil {
		return err
	}
	found, err := states.Get(ctx, key)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil // nothing is left to announce
	}
	if err != nil {
		return err
	}
	if _, err := states.CompareAndSwap(ctx, key, found.Value, found.Revision); err != nil && !errors.Is(err, job.ErrConflict) {
		return err
	}
	return nil
}

// Drop removes a dead letter. A missing one is no error.
func Drop(ctx context.Context, p *pipeline.Pipeline, id uint64) error {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(topology.Dead))
	if err != nil {
		return fmt.Errorf("drop dead letter %d: %w", id, err)
	}
	if err := remove(ctx, stream, id); err != nil {
		return fmt.Errorf("drop dead letter %d: %w", id, err)
	}
	return nil
}

// remove deletes a message. The server's error for a missing message is not
// specific, so remove looks for it after a failure.
func remove(ctx context.Context, stream jetstream.Stream, sequence uint64) error {
	err := stream.DeleteMsg(ctx, sequence)
	if err == nil {
		return nil
	}
	if _, lookErr := stream.GetMsg(ctx, sequence); errors.Is(lookErr, jetstream.ErrMsgNotFound) {
		return nil
	}
	return err
}
