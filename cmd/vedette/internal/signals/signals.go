// Package signals lets signals end a command, and says which one did.
package signals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"vedette/cmd/vedette/internal/cli"
)

// StopError is the cause when a context ends because its command was stopped.
type StopError struct {
	// Reason is a signal, such as SIGTERM, or a clause.
	Reason string
}

// Error returns the reason.
func (e *StopError) Error() string { return "stopped: " + e.Reason }

// Stopped returns why the command with this context was stopped, and whether it
// was.
func Stopped(ctx context.Context) (reason string, stopped bool) {
	if cause, ok := errors.AsType[*StopError](context.Cause(ctx)); ok {
		return cause.Reason, true
	}
	return "", false
}

// Context returns a context that the first SIGINT or SIGTERM cancels, with a
// [StopError] as its cause. A later one, after [repeatWindow], ends the process at
// once, with a line on stderr and [cli.ExitFailed].
func Context(parent context.Context, stderr io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	received := make(chan os.Signal, 2)
	signal.Notify(received, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer signal.Stop(received)
		follow(done, received, cancel, func(last os.Signal) {
			cli.Writef(stderr, "vedette: ended at once by a second signal, %s: running jobs were not finished, other processes or the next start repeat them\n", name(last))
			os.Exit(cli.ExitFailed)
		})
	}()
	return ctx, func() {
		cancel(nil)
		close(done)
	}
}

// follow stops the command at the first signal, and ends it at a later one, until
// done is closed.
func follow(done <-chan struct{}, received <-chan os.Signal, stop context.CancelCauseFunc, end func(os.Signal)) {
	var s sequence
	for {
		select {
		case <-done:
			return
		case got := <-received:
			switch s.next(time.Now()) {
			case stopCleanly:
				stop(&StopError{Reason: name(got)})
			case endAtOnce:
				end(got)
				return
			case sameRequest:
			}
		}
	}
}

// repeatWindow is how long further signals count as the same request. 'timeout'
// from coreutils signals the process and then its process group; a terminal and a
// wrapper may both pass on a Ctrl-C.
const repeatWindow = 500 * time.Millisecond

// action is what a signal asks for.
type action int

const (
	stopCleanly action = iota
	sameRequest
	endAtOnce
)

// sequence decides about the signals that a process gets.
type sequence struct{ first time.Time }

func (s *sequence) next(now time.Time) action {
	switch {
	case s.first.IsZero():
		s.first = now
		return stopCleanly
	case now.Sub(s.first) < repeatWindow:
		return sameRequest
	default:
		return endAtOnce
	}
}

// name returns the name of a signal that [Context] receives.
func name(s os.Signal) string {
	switch s {
	case os.Interrupt:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	default:
		return s.String()
	}
}

// Explain adds to the error of a cancelled command which signal cancelled it.
func Explain(ctx context.Context, err error) error {
	reason, stopped := Stopped(ctx)
	if err == nil || !stopped || !errors.Is(err, context.Canceled) {
		return err
	}
	return &cli.ExitError{Code: cli.ExitFailed, Err: fmt.Errorf("stopped by %s: %w", reason, err)}
}
