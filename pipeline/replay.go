package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNotReplayable is returned by [Pipeline.Replay] for a letter that does not
// say which job it was.
var ErrNotReplayable = errors.New("letter cannot be replayed")

// ErrBeingBuried is returned by [Pipeline.Replay] for a letter whose job has not
// left its queue yet. That takes a moment.
var ErrBeingBuried = errors.New("job is still being set aside")

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
// The error is [ErrNotReplayable], [ErrBeingBuried], [ErrFull], or why it could not be done; then
// the letter stays.
func (p *Pipeline) Replay(ctx context.Context, letter DeadLetter) error {
	err := p.revive(ctx, letter)
	if errors.Is(err, ErrBeingBuried) {
		err = p.reviveLater(ctx, letter)
	}
	if err != nil {
		return fmt.Errorf("replay dead letter %d: %w", letter.ID, err)
	}
	return p.DropDead(ctx, letter.ID)
}

// How often a letter is tried whose job is still in its queue, and for how long:
// if our word that it was set aside got lost, it leaves at the next try.
const (
	buryingLook = 50 * time.Millisecond
	buryingTime = 10 * time.Second
)

// reviveLater is revive for a job that is about to leave its queue.
func (p *Pipeline) reviveLater(ctx context.Context, letter DeadLetter) error {
	look := time.NewTicker(buryingLook)
	defer look.Stop()
	patience := time.NewTimer(buryingTime)
	defer patience.Stop()
	for {
		select {
		case <-look.C:
			if err := p.revive(ctx, letter); !errors.Is(err, ErrBeingBuried) {
				return err
			}
		case <-patience.C:
			return ErrBeingBuried
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *Pipeline) revive(ctx context.Context, letter DeadLetter) error {
	if key, ok := strings.CutPrefix(letter.Subject, "$KV."+p.names.Bucket(States)+"."); ok {
		return p.touch(ctx, key)
	}
	stream, _, found := strings.Cut(letter.Subject, ".")
	if !found || !replayable(stream) {
		return fmt.Errorf("%w: found subject %q, expected that of a job", ErrNotReplayable, letter.Subject)
	}
	err := p.Publish(ctx, Message{
		Subject: letter.Subject, Body: letter.Body, FirstStored: letter.FirstStoredAt,
		ID: "replay-" + strconv.FormatUint(letter.ID, 10),
	})
	if errors.Is(err, ErrOccupied) {
		return p.leftQueue(ctx, letter) // it was ordered again, or replayed before
	}
	return err
}

// leftQueue returns nil if what occupies the subject of a letter's job is
// another job, and not that one itself: to drop the letter of that would lose it.
func (p *Pipeline) leftQueue(ctx context.Context, letter DeadLetter) error {
	stream, err := p.js.Stream(ctx, p.names.Stream(streamOf(letter.Subject)))
	if err != nil {
		return err
	}
	found, err := stream.GetLastMsgForSubject(ctx, p.names.Subject(letter.Subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && found.Sequence == letter.Sequence {
		return fmt.Errorf("replay %s: %w", letter.Subject, ErrBeingBuried)
	}
	return err
}

// replayable tells by the first token of a subject whether jobs come from there.
// A letter's header is no proof of where it came from.
func replayable(token string) bool {
	switch token {
	case "check", "adhoc", "call", "mail", "result":
		return true
	default:
		return false
	}
}

// touch writes a state as it is. Whoever wrote it meanwhile has done as much.
func (p *Pipeline) touch(ctx context.Context, key string) error {
	states, err := p.Bucket(ctx, States)
	if err != nil {
		return err
	}
	found, err := states.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return nil // nothing is left to announce
	}
	if err != nil {
		return err
	}
	if _, err := states.CompareAndSwap(ctx, key, found.Value, found.Revision); err != nil && !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

// DropDead removes a dead letter for good. One that is not there is no error.
func (p *Pipeline) DropDead(ctx context.Context, id uint64) error {
	stream, err := p.js.Stream(ctx, p.names.Stream(Dead))
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
