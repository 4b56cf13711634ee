package pipeline

import (
	"context"
	"errors"
)

// ErrFenced is returned for a write by a handler whose job was taken from it,
// because it ignored the end of its context: somebody else has the job now.
var ErrFenced = errors.New("job was taken from its handler")

// fenceKey is where a handler's context holds its task. It stays there when a
// context is made of it that outlives the deadline, so that no such context
// gets round the fence.
type fenceKey struct{}

func withFence(ctx context.Context, t *task) context.Context {
	return context.WithValue(ctx, fenceKey{}, t)
}

// unfenced returns [ErrFenced] if ctx is that of a handler whose job was taken
// from it.
func unfenced(ctx context.Context) error {
	if t, ok := ctx.Value(fenceKey{}).(*task); ok && t.stuck.Load() {
		return ErrFenced
	}
	return nil
}
