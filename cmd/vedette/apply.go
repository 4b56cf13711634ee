package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/producer"
)

func applyCommand() *cobra.Command {
	var where cli.Instance
	var dry bool
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Give a running instance the monitors of a file",
		Long: `Makes the monitors and recipients of a running instance those of the file, by
difference: the others are not disturbed. A file with mistakes changes nothing.
The sections mail and server belong to the process: they are read by
'vedette run' alone.`,
		Example: `  vedette apply monitors.yaml
  vedette apply --dry-run monitors.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := cli.LoadFile(args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			p, err := where.Connect(cmd.Context())
			if err != nil {
				return err
			}
			how := cli.Progress(cmd.ErrOrStderr(), time.Now)
			how.Dry = dry
			change, err := producer.Apply(cmd.Context(), p, cli.Definitions(file), how)
			if err := cli.JoinClose(p, err); err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), cli.ChangeLines(change, dry))
			return err
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would change, and change nothing")
	return cmd
}
