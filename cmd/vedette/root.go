package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/bench"
	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/cmd/vedette/internal/soak"
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
		Version:       cli.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cli.CheckSubcommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetHelpCommand(helpCommand())
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(cli.UsageError)
	root.AddCommand(
		runCommand(), workerCommand(), serverCommand(), checkCommand(), validateCommand(), applyCommand(), enqueueCommand(), outcomeCommand(), deadCommand(),
		statusCommand(), explainCommand(), silenceCommand(), mailCommand(), psCommand(), doctorCommand(), envCommand(), rolesCommand(), authCommand(), bench.Command(), soak.Command(), harness.ChildCommand(Main),
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
			cmd.Args = func(cmd *cobra.Command, given []string) error { return cli.UsageError(cmd, args(cmd, given)) }
		}
	}
}

// hintFor finds what a person can do about an error; empty when we know nothing.
func hintFor(err error) string {
	if hinted, ok := errors.AsType[*cli.HintError](err); ok {
		return hinted.Hint
	}
	for _, h := range hints() {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}
