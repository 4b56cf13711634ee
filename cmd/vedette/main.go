// Command vedette watches services: it checks them on a schedule, evaluates the
// results, and sends mails when something breaks.
//
// Each subcommand has its own file; 'vedette help' lists them.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"vedette/cmd/vedette/internal/cli"
)

func main() {
	os.Exit(Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// Main runs one command line and returns its exit code. Tests call it instead of
// starting a process.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signalContext(ctx)
	defer stop()
	root := rootCommand(stdout, stderr) //nolint:contextcheck // cobra passes the context when it executes
	root.InitDefaultCompletionCmd()
	checkArguments(root)
	root.SetArgs(append([]string{}, args...)) // nil would mean the process's arguments
	return cli.PrintError(stderr, root.ExecuteContext(ctx))
}

// signalContext returns a context that the first interrupt or termination
// cancels. The second one ends the process at once.
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
