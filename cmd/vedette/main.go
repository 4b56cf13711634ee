// Command vedette watches services: it checks them on a schedule, judges what
// it finds, and mails people when something breaks.
//
// It is one binary, a file for each subcommand; run it with --help.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	// Monitors may name any IANA zone, on machines without a zone database too.
	_ "time/tzdata"

	"vedette/cmd/vedette/internal/cli"
)

func main() {
	os.Exit(Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// Main runs one command line and returns its exit code. Tests call it in place
// of a process.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signalContext(ctx)
	defer stop()
	root := rootCommand(stdout, stderr)       //nolint:contextcheck // cobra hands the context over when it executes
	root.SetArgs(append([]string{}, args...)) // nil would mean those of the process
	err := root.ExecuteContext(ctx)
	if err == nil {
		return cli.ExitOK
	}
	code := cli.ExitFailed
	if exit, ok := errors.AsType[*cli.ExitError](err); ok {
		code, err = exit.Code, exit.Err
	}
	if err != nil {
		cli.Writef(stderr, "vedette: %v\n", err)
		if hint := hintFor(err); hint != "" {
			cli.Writef(stderr, "hint: %s\n", hint)
		}
	}
	return code
}

// signalContext ends the context at the first interrupt or termination, and the
// process at the second: whoever asks twice does not want to wait.
func signalContext(parent context.Context) (context.Context, context.CancelFunc) {
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
			os.Exit(cli.ExitFailed)
		case <-parent.Done():
		}
	}()
	return ctx, cancel
}
