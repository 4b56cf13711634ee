package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/producer"
)

func applyCommand() *cobra.Command {
	var where cli.Instance
	var dry, removals bool
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Apply a monitor file to a running instance",
		Long: `Compares the monitors and recipients in a running instance with the file, and
stores the differences. Unchanged monitors are not disturbed. A file with mistakes
changes nothing. The sections mail and server belong to the process: only
'vedette run' reads them.

A file that has no monitors, or lacks more than half of the stored ones, changes
nothing either: it may be empty for a moment while it is written. --allow-removals
applies it. One monitor may always be removed or renamed if the file has others.`,
		Example: `  vedette apply monitors.yaml
  vedette apply --dry-run monitors.yaml
  vedette apply --allow-removals monitors.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := cli.LoadFile(args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			options := cli.Progress(cmd.ErrOrStderr(), time.Now)
			options.Dry, options.AllowRemovals = dry, removals
			change, err := cli.Query(cmd.Context(), &where, func(ctx context.Context, p *pipeline.Pipeline) (producer.Change, error) {
				return producer.Apply(ctx, p, cli.Definitions(file), options)
			})
			refused := errors.Is(err, producer.ErrRemovals)
			if err != nil && !refused {
				return err
			}
			if dry || !refused {
				cli.Writef(cmd.OutOrStdout(), "%s", cli.ChangeLines(change, dry))
			}
			if refused {
				return cli.InputError(fmt.Errorf("apply %s: %w", args[0], err))
			}
			return nil
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show the changes without applying them")
	cmd.Flags().BoolVar(&removals, "allow-removals", false, "apply a file that has no monitors, or lacks more than half of the stored ones")
	return cmd
}
