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

// ErrNotReplayable is returned by [Replay] for a letter that does not
// say which job it was.
var ErrNotReplayable = errors.New("letter cannot be replayed")

// ErrStillQueued is returned by [Replay] for a letter whose job has not
// left its queue yet. That takes a moment.
var ErrStillQueued = errors.New("job is still being set aside")

// Replay gives a dead letter's job back to its stage, as it was, with all its
// attempts before it, and drops the letter. Doing it twice is doing it once: a
// job that lives under its id is left alone, and what each stage does to the
// world bears the job's id. If the process dies in between, the letter stays,
// and may be replayed again.
//
// The stage notify takes no jobs but the writes of states. Its letter is
// replayed by writing the present state once more, which announces whatever of
// it has not been announced.
//
// The error is [ErrNotReplayable], [ErrStillQueued], [pipeline.ErrFull], or why it could not be done; then
// the letter stays.
func Replay(ctx context.Context, p *pipeline.Pipeline, letter Letter) error {
	err := republish(ctx, p, letter)
	if errors.Is(err, ErrStillQueued) {
		err = republishLater(ctx, p, letter)
	}
	if err != nil {
		return fmt.Errorf("replay dead letter %d: %w", letter.ID, err)
	}
	return Drop(ctx, p, letter.ID)
}

// How often a letter is tried whose job is still in its queue, and for how long:
// if our word that it was set aside got lost, it leaves at the next try.
const (
	pendingPoll    = 50 * time.Millisecond
	pendingTimeout = 10 * time.Second
)

// reviveLater is revive for a job that is about to leave its queue.
func republishLater(ctx context.Context, p *pipeline.Pipeline, letter Letter) error {
	look := time.NewTicker(pendingPoll)
	defer look.Stop()
	patience := time.NewTimer(pendingTimeout)
	defer patience.Stop()
	for {
		select {
		case <-look.C:
			if err := republish(ctx, p, letter); !errors.Is(err, ErrStillQueued) {
				return err
			}
		case <-patience.C:
			return ErrStillQueued
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func republish(ctx context.Context, p *pipeline.Pipeline, letter Letter) error {
	if key, ok := p.Names().CutKey(topology.States, letter.Subject); ok {
		return touch(ctx, p, key)
	}
	if !topology.IsJob(letter.Subject) { // a header is no proof that the subject is
		return fmt.Errorf("%w: found subject %q, expected that of a job", ErrNotReplayable, letter.Subject)
	}
	err := p.Publish(ctx, pipeline.Message{
		Subject: letter.Subject, Body: letter.Body, FirstStored: letter.FirstStoredAt,
		ID: "replay-" + strconv.FormatUint(letter.ID, 10),
	})
	if errors.Is(err, pipeline.ErrOccupied) {
		return leftQueue(ctx, p, letter) // it was ordered again, or replayed before
	}
	return err
}

// leftQueue returns nil if what occupies the subject of a letter's job is
// another job, and not that one itself: to drop the letter of that would lose it.
func leftQueue(ctx context.Context, p *pipeline.Pipeline, letter Letter) error {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(topology.StreamOf(letter.Subject)))
	if err != nil {
		return err
	}
	found, err := stream.GetLastMsgForSubject(ctx, p.Names().Subject(letter.Subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && found.Sequence == letter.Sequence {
		return fmt.Errorf("replay %s: %w", letter.Subject, ErrStillQueued)
	}
	return err
}

// touch writes a state as it is. Whoever wrote it meanwhile has done as much.
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

// Drop removes a dead letter for good. One that is not there is no error.
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

// remove deletes a message. The server's error for one that is not there tells
// nothing apart, so a failure looks for the message.
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
