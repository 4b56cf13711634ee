// Command vedette watches services: it checks them on a schedule, evaluates the
// results, and sends mails when something breaks.
//
// Each subcommand has its own file; 'vedette help' lists them.
package main

import (
	"context"
	"io"
	"os"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/signals"
)

func main() {
	os.Exit(Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// Main runs one command line and returns its exit code. Tests call it instead of
// starting a process.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	defer signals.KeepRunning(args)()
	ctx, stop := signals.Context(ctx, stderr)
	defer stop()
	root := rootCommand(stdout, stderr) //nolint:contextcheck // cobra passes the context when it executes
	root.InitDefaultCompletionCmd()
	checkArguments(root)
	root.SetArgs(append([]string{}, args...)) // nil would mean the process's arguments
	return cli.PrintError(stderr, signals.Explain(ctx, root.ExecuteContext(ctx)))
}
