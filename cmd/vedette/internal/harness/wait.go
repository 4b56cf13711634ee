package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
)

// Wait waits for a duration or until ctx ends.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Poll calls done until it returns true or ctx ends.
func Poll(ctx context.Context, done func() bool) error {
	const every = 50 * time.Millisecond
	for !done() {
		if err := Wait(ctx, every); err != nil {
			return err
		}
	}
	return nil
}

// WithDir calls do with a temporary directory and removes it afterwards.
func WithDir(do func(dir string) error) (err error) {
	dir, err := os.MkdirTemp("", "vedette-*")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return do(dir)
}

// Accept serves each connection on its own goroutine until the listener is closed.
func Accept(listener net.Listener, serve func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the client has gone
		}
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

// Limit is a condition for the value of a flag.
type Limit struct {
	Flag     string
	Found    any
	Holds    bool
	Expected string
}

// AtLeastOne requires 1 or more.
func AtLeastOne(flag string, found int) Limit { return Limit{flag, found, found >= 1, "1 or more"} }

// CheckFlags returns a usage error that names each limit that does not hold.
func CheckFlags(cmd *cobra.Command, limits ...Limit) error {
	var problems []error
	for _, l := range limits {
		if !l.Holds {
			problems = append(problems, fmt.Errorf("read %s: found %v, expected %s", l.Flag, l.Found, l.Expected))
		}
	}
	if problems == nil {
		return nil
	}
	return cli.UsageError(cmd, errors.Join(problems...))
}
