package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/broker"
)

func envCommand() *cobra.Command {
	var where cli.Instance
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print how other programs reach the running instance",
		Long: `Prints NATS_URL, with the secret, as shell commands, so that any NATS client can
enqueue checks and mails.`,
		Example: `  eval "$(vedette env)"
  nats pub vedette.adhoc.default.try1 '{"http": "https://example.org"}'
  nats kv get VEDETTE_OUTCOME check.try1 --raw`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url, err := where.URL()
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintf(cmd.OutOrStdout(), "export NATS_URL=%s\n", url); err != nil {
				return err
			}
			if authority, ok := broker.CertificateFile(where.Data); ok && where.Local() {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "export NATS_CA=%s\n", authority)
			}
			return err
		},
	}
	where.Flags(cmd)
	return cmd
}
