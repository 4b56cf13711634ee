package signals

import (
	"context"
	"fmt"
	"io"

	"vedette/cmd/vedette/internal/cli"
)

// Ended ends a command that runs until it is stopped. If it was stopped and has no
// error, Ended prints the reason; otherwise the error is the reason. Call it when
// everything has been closed: its line is the last one.
func Ended(ctx context.Context, stdout io.Writer, err error) error {
	reason, stopped := Stopped(ctx)
	switch {
	case stopped && err != nil:
		return fmt.Errorf("stop after %s: %w", reason, err)
	case err != nil:
		return err
	case stopped:
		cli.Writef(stdout, "vedette stopped cleanly: %s\n", reason)
	default: // the context of a test, or of another command, ended
		cli.Writef(stdout, "vedette stopped cleanly\n")
	}
	return nil
}

// UnlessStopped returns the error from a step of a start, or nil if the command
// was stopped: then the step failed for that reason, which is no failure.
func UnlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // see above
	}
	return err
}
