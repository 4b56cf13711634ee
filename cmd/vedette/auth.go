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
		Short:   "Create certificates and users",
		Long:    "Creates the certificates, users and passwords for servers that other machines reach.",
		Example: "  vedette auth init secrets n1 n2 n3",
	}
	cmd.AddCommand(authInitCommand())
	return cmd
}

func authInitCommand() *cobra.Command {
	locations := []string{job.DefaultLocation}
	cmd := &cobra.Command{
		Use:   "init DIR NODE...",
		Short: "Create the certificates and users for a cluster",
		Long: `Creates the files that the nodes in a cluster and their clients need, and prints
their names. NODE is the name or address by which others reach a node. Its
certificate is also valid for loopback addresses, and expires after ten years.

  ca.pem, ca.key         sign certificates for nodes; ca.key is only needed to add nodes
  NODE.pem, NODE.key     for --tls-cert and --tls-key on that node
  users.conf             for --users on all nodes: the users from 'vedette roles'
  USER.password          for --nats-password-file when logging in as that user

Existing files are kept, so that nodes can be added. Only the owner may enter the
directory. The files in it are readable for all, so that a container that runs as
another user can mount the ones that it needs.`,
		Example: `  vedette auth init secrets n1.example.org n2.example.org n3.example.org
  vedette run --nats tls://vedette-admin@n1.example.org:4222 --nats-ca secrets/ca.pem \
    --nats-password-file secrets/vedette-admin.password monitors.yaml`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(checkNodes(args[1:]), cli.CheckLocations(locations...)); err != nil {
				return cli.UsageError(cmd, err)
			}
			return keys.Create(args[0], locations, args[1:], cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringSliceVar(&locations, "location", locations, "locations with check workers; each gets its own user")
	return cmd
}

// checkNodes returns an error for each name that is unsuitable as a file name, or
// taken.
func checkNodes(names []string) error {
	var problems []error
	for _, name := range names {
		if name == "ca" || !job.ValidName(name) && net.ParseIP(name) == nil {
			problems = append(problems, fmt.Errorf("read NODE: found %q, expected the name or address of a machine", name))
		}
	}
	return errors.Join(problems...)
}
