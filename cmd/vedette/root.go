package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// rootCommand is the whole command line.
func rootCommand(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "vedette",
		Short: "Watch services, and mail people when something breaks",
		Long: `Vedette is a sentinel for services: it checks them on a schedule and mails
people when something breaks. Checks and mails flow through NATS JetStream,
which runs inside the process unless you have one.

'vedette help' lists the topics of the manual, 'vedette help TOPIC' shows one.`,
		Example: `  vedette run monitors.yaml          # watch, with everything in one process
  vedette check https://example.org  # check once, now
  vedette validate monitors.yaml     # find the mistakes in a file`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetHelpCommand(helpCommand())
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(usageError)
	root.AddCommand(
		runCommand(), workerCommand(), serverCommand(), checkCommand(), validateCommand(), applyCommand(), enqueueCommand(), outcomeCommand(), deadCommand(),
		statusCommand(), explainCommand(), silenceCommand(), mailCommand(), psCommand(), doctorCommand(), envCommand(), rolesCommand(), authCommand(), benchCommand(), soakCommand(),
	)
	explainArgs(root)
	return root
}

// explainArgs has every wrong number of arguments say where the right use can
// be read.
func explainArgs(parent *cobra.Command) {
	for _, cmd := range parent.Commands() {
		explainArgs(cmd)
		if args := cmd.Args; args != nil && !cmd.HasSubCommands() {
			cmd.Args = func(cmd *cobra.Command, given []string) error { return usageError(cmd, args(cmd, given)) }
		}
	}
}

// knownCommand refuses what is no subcommand, and says which was meant.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("run %s: found unknown command %q", cmd.Name(), args[0])
	cmd.SuggestionsMinimumDistance = 2
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		return invalid(&hintError{err: err, hint: fmt.Sprintf("did you mean %q?", meant[0])})
	}
	return usageError(cmd, err)
}

// usageError makes a mistake on the command line exit with 2, and says where
// the right use can be read.
func usageError(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return invalid(&hintError{err: err, hint: "see '" + cmd.CommandPath() + " --help'"})
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// logger makes the log that a command writes to: lines for people, or JSON.
func logger(to io.Writer, format, level string) (*slog.Logger, error) {
	var threshold slog.Level
	if err := threshold.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("read --log-level: found %q, expected debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: threshold}
	switch strings.ToLower(format) {
	case "text":
		return slog.New(slog.NewTextHandler(to, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(to, options)), nil
	default:
		return nil, fmt.Errorf("read --log-format: found %q, expected text or json", format)
	}
}

// hintError is an error with a way out.
type hintError struct {
	err  error
	hint string
}

// Error is the message without the hint.
func (e *hintError) Error() string { return e.err.Error() }

// Unwrap returns the error without the hint.
func (e *hintError) Unwrap() error { return e.err }

// hintFor finds what a person can do about an error; empty when we know nothing.
func hintFor(err error) string {
	if hinted, ok := errors.AsType[*hintError](err); ok {
		return hinted.hint
	}
	for _, h := range hints() {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}
