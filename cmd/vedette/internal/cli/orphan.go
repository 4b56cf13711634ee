package cli

import (
	"context"
	"io"
	"os"
)

// UntilOrphaned ends a context when standard input does: the process that
// holds its other end has gone.
func UntilOrphaned(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx, cancel
}
