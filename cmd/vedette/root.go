package main

import (
	"io"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/bench"
	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/cmd/vedette/internal/soak"
)

// rootCommand returns the whole command line.
func rootCommand(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "vedette",
		Short: "Watch services, and send mails when something breaks",
		Long: `Vedette watches services: it checks them on a schedule and sends mails when
something breaks. Checks and mails go through NATS JetStream. Without another
server, vedette runs one inside the process.

'vedette help' lists the topics of the manual, 'vedette help TOPIC' shows one.`,
		Example: `  vedette run monitors.yaml          # watch, with everything in one process
  vedette check https://example.org  # check once, now
  vedette validate monitors.yaml     # find the mistakes in a file`,
		Version:       cli.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetHelpCommand(helpCommand())
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(cli.FlagError)
	root.AddCommand(
		runCommand(), workerCommand(), serverCommand(), checkCommand(), validateCommand(), applyCommand(), enqueueCommand(), outcomeCommand(), deadCommand(),
		statusCommand(), explainCommand(), silenceCommand(), mailCommand(), psCommand(), doctorCommand(), envCommand(), rolesCommand(), authCommand(), bench.Command(), soak.Command(), harness.ChildCommand(Main),
	)
	return root
}

// checkArguments replaces cobra's messages about arguments. Commands with
// subcommands refuse unknown ones, and show their help without arguments.
func checkArguments(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		checkArguments(sub)
	}
	switch check := cmd.Args; {
	case cmd.HasSubCommands():
		cmd.Args = cli.CheckSubcommand
		if !cmd.Runnable() {
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	case check != nil:
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if check(cmd, args) != nil {
				return cli.ArgumentError(cmd, args)
			}
			return nil
		}
	}
}
