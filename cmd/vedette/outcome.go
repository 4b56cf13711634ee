package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/producer"
)

func outcomeCommand() *cobra.Command {
	var where cli.Instance
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "outcome check|mail ID",
		Short: "Tell what became of an order",
		Long: `Tells what became of a check or mail that was ordered in the last two days.
Exits with 1 when it is still pending, could not be done, or found its target
down.`,
		Example: "  vedette outcome check try1\n  vedette outcome mail hello1 --json",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != job.JobCheck && args[0] != job.JobMail {
				return cli.UsageError(cmd, fmt.Errorf("read order: found %q, expected check or mail", args[0]))
			}
			p, err := where.Connect(cmd.Context())
			if err != nil {
				return err
			}
			client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
			if err != nil {
				return cli.JoinClose(p, err)
			}
			answer, err := client.Outcome(cmd.Context(), args[0], args[1])
			if err := cli.JoinClose(p, errors.Join(err, client.Close())); err != nil {
				return err
			}
			return printOutcome(cmd.OutOrStdout(), answer, asJSON)
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
