package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/keys"
	"vedette/pipeline/job"
)

func authCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "auth",
		Short:   "Make what servers and their clients know each other by",
		Long:    "Makes the certificates, users and passwords of servers that others reach.",
		Example: "  vedette auth init secrets n1 n2 n3",
		Args:    cli.CheckSubcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(authInitCommand())
	return cmd
}

func authInitCommand() *cobra.Command {
	locations := []string{job.DefaultLocation}
	cmd := &cobra.Command{
		Use:   "init DIR NODE...",
		Short: "Make the certificates and users of a cluster",
		Long: `Makes what the nodes of a cluster and their clients need, and prints what it
made. NODE is the name or address by which others reach a node; its certificate is
good for this machine's loopback too, for ten years.

  ca.pem, ca.key         sign for the nodes; ca.key is needed for more nodes only
  NODE.pem, NODE.key     for --tls-cert and --tls-key of that node
  users.conf             for --users of all nodes: the users of 'vedette roles'
  USER.password          for --nats-password-file of who logs in as that user

What is there already is kept, so that nodes can be added. Nobody else may enter
the directory; the files themselves can be read by whoever is given one of them,
such as a container that runs as another user.`,
		Example: `  vedette auth init secrets n1.example.org n2.example.org n3.example.org
  vedette run --nats tls://vedette-admin@n1.example.org:4222 --nats-ca secrets/ca.pem \
    --nats-password-file secrets/vedette-admin.password monitors.yaml`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(nodeProblems(args[1:]), cli.CheckLocations(locations)); err != nil {
				return cli.UsageError(cmd, err)
			}
			return keys.Make(args[0], locations, args[1:], cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringSliceVar(&locations, "location", locations, "locations of check workers, each of which has a user of its own")
	return cmd
}

// nodeProblems are names that would be no names of files, or those of others.
func nodeProblems(names []string) error {
	var problems []error
	for _, name := range names {
		if name == "ca" || !job.ValidName(name) && net.ParseIP(name) == nil {
			problems = append(problems, fmt.Errorf("read NODE: found %q, expected the name or address of a machine", name))
		}
	}
	return errors.Join(problems...)
}
