package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
)

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE",
		Short: "Find the mistakes in a monitor file",
		Long: `Reads a monitor file and prints all mistakes with file, line and column, what was
found and what was expected. It contacts nothing and changes nothing. Exits with 0
if the file is valid, and with 2 otherwise. A file without monitors is a mistake,
though 'vedette run' accepts it for a new installation.`,
		Example: "  vedette validate monitors.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := cli.ValidateFile(args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %s, %s\n", args[0],
				cli.Count(file.Count(), "monitor"), cli.Count(len(file.Recipients), "recipient"))
			return err
		},
	}
}
