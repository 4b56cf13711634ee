// Command vedette watches services: it checks them on a schedule, judges what
// it finds, and mails people when something breaks.
//
// It is one binary, a file for each subcommand; run it with --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	// Monitors may name any IANA zone, on machines without a zone database too.
	_ "time/tzdata"
)

func main() {
	os.Exit(Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes, the same for every subcommand.
const (
	exitOK      = 0
	exitDown    = 1 // check: something is down
	exitFailed  = 1 // any other command: it could not do what it should
	exitInvalid = 2 // the input or the command line is wrong; nothing was tried
	exitGaveUp  = 3 // run: the supervision tree gave up
)

// Main runs one command line and returns its exit code. Tests call it in place
// of a process.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := notifyTwice(ctx)
	defer stop()
	root := rootCommand(stdout, stderr)       //nolint:contextcheck // cobra hands the context over when it executes
	root.SetArgs(append([]string{}, args...)) // nil would mean those of the process
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitFailed
	if exit, ok := errors.AsType[*exitError](err); ok {
		code, err = exit.code, exit.err
	}
	if err != nil {
		say(stderr, "vedette: %v\n", err)
		if hint := hintFor(err); hint != "" {
			say(stderr, "hint: %s\n", hint)
		}
	}
	return code
}

// say tells people something beside a command's output. That nobody may be
// reading any more must not stop the command.
func say(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }

// exitError carries an exit code out of a subcommand. A nil err means that
// everything was already said.
type exitError struct {
	code int
	err  error
}

// Error is the message of what went wrong.
func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap returns what went wrong.
func (e *exitError) Unwrap() error { return e.err }

func invalid(err error) error { return &exitError{code: exitInvalid, err: err} }

// notifyTwice ends the context at the first interrupt or termination, and the
// process at the second: whoever asks twice does not want to wait.
func notifyTwice(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer signal.Stop(signals)
		select {
		case <-signals:
		case <-ctx.Done():
			return
		}
		cancel()
		select {
		case <-signals:
			os.Exit(exitFailed)
		case <-parent.Done():
		}
	}()
	return ctx, cancel
}
