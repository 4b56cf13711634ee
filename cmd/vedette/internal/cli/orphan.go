package cli

import (
	"context"
	"io"
	"os"
)

// StdinContext ends a context when standard input does: the process that
// holds its other end has gone.
func StdinContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx, cancel
}
