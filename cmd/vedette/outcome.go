package main

import (
	"context"

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
		Short: "Show the outcome of a job",
		Long: `Shows the outcome of a check or mail that was enqueued in the last two days. Exits
with 1 if the job is pending or failed, or found its target down.`,
		Example: "  vedette outcome check try1\n  vedette outcome mail hello1 --json",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkChoices("kind", args[:1], []string{job.JobCheck, job.JobMail}); err != nil {
				return cli.UsageError(cmd, err)
			}
			outcome, err := cli.QueryClient(cmd.Context(), &where, func(ctx context.Context, client *producer.Client) (job.Outcome, error) {
				return client.Outcome(ctx, args[0], args[1])
			})
			if err != nil {
				return jobError(outcome, err)
			}
			return printOutcome(cmd.OutOrStdout(), outcome, asJSON)
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
