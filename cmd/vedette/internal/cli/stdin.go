package cli

import (
	"context"
	"io"
	"os"
)

// StdinContext returns a context that ends at the end of standard input, and so
// with the process that holds its other end.
func StdinContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx, cancel
}
