package pipeline

import (
	"context"
	"errors"
)

// ErrFenced is returned for a write by a handler that has lost its job to
// another process.
var ErrFenced = errors.New("job was taken from its handler")

// Fence is the right to write on behalf of a job.
type Fence interface {
	// Closed reports whether the handler has lost the job.
	Closed() bool
}

type fenceKey struct{}

// WithFence returns a context whose writes fail with [ErrFenced] once the fence
// is closed. Contexts derived from it are fenced too, including those that
// outlive its deadline.
func WithFence(ctx context.Context, f Fence) context.Context {
	return context.WithValue(ctx, fenceKey{}, f)
}

// FenceFrom returns a context's fence, nil if it has none.
func FenceFrom(ctx context.Context) Fence {
	f, _ := ctx.Value(fenceKey{}).(Fence)
	return f
}

func unfenced(ctx context.Context) error {
	if f := FenceFrom(ctx); f != nil && f.Closed() {
		return ErrFenced
	}
	return nil
}
