package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/producer"
)

func applyCommand() *cobra.Command {
	var where cli.Instance
	var dry bool
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Apply a monitor file to a running instance",
		Long: `Compares the monitors and recipients in a running instance with the file, and
stores the differences. Unchanged monitors are not disturbed. A file with mistakes
changes nothing. The sections mail and server belong to the process: only
'vedette run' reads them.`,
		Example: `  vedette apply monitors.yaml
  vedette apply --dry-run monitors.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := cli.LoadFile(args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			options := cli.Progress(cmd.ErrOrStderr(), time.Now)
			options.Dry = dry
			change, err := cli.Query(cmd.Context(), &where, func(ctx context.Context, p *pipeline.Pipeline) (producer.Change, error) {
				return producer.Apply(ctx, p, cli.Definitions(file), options)
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), cli.ChangeLines(change, dry))
			return err
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show the changes without applying them")
	return cmd
}
