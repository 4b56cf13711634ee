package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
)

func rolesCommand() *cobra.Command {
	names := topology.Names{Prefix: "vedette"}
	var location string
	cmd := &cobra.Command{
		Use:   "roles [ROLE...]",
		Short: "Print the users of a shared NATS server, each with the rights of a role",
		Long: `Prints the authorization block of a nats-server configuration: a user for each
role, who may do what its work needs and nothing else. Passwords come from the
environment of the server; 'vedette auth init' makes a file with passwords of its
own instead. Without arguments, all roles:

` + roleUses() + `
Programs connect with the user's name in the URL, which keeps their inboxes
apart: nats://vedette-publisher:PASSWORD@host:4222.`,
		Example: `  vedette roles >> nats-server.conf
  vedette roles check_worker --location fra`,
		RunE: func(cmd *cobra.Command, args []string) error {
			roles, err := readRoles(args)
			if err != nil {
				return cli.UsageError(cmd, err)
			}
			if err := cli.CheckLocation(location); err != nil {
				return cli.UsageError(cmd, err)
			}
			users := make([]rights.User, len(roles))
			for i, role := range roles {
				users[i] = rights.User{Role: role, Location: location}
				users[i].Password = "$" + rights.PasswordVariable(names, users[i])
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), rights.ServerConfig(names, users))
			return err
		},
	}
	cmd.Flags().StringVar(&location, "location", job.DefaultLocation, "location of the check worker")
	return cmd
}

// roleUses tells people what each role is for.
func roleUses() string {
	uses := map[rights.Role]string{
		rights.Publisher:   "orders checks and mails, and reads what became of them",
		rights.Scheduler:   "turns ticks into checks",
		rights.CheckWorker: "makes the checks of one location",
		rights.Evaluator:   "judges results, and orders checks out of turn",
		rights.Notifier:    "decides who is told of what changed, and orders the mails",
		rights.MailWorker:  "sends mails",
		rights.Viewer:      "reads what the overview shows",
		rights.Admin:       "everything in this installation; 'vedette run' needs it",
	}
	var b strings.Builder
	for _, role := range rights.Roles() {
		fmt.Fprintf(&b, "  %-13s %s\n", role, uses[role])
	}
	return b.String()
}

func readRoles(args []string) ([]rights.Role, error) {
	if len(args) == 0 {
		return rights.Roles(), nil
	}
	var roles []rights.Role
	var problems []error
	for _, arg := range args {
		role := rights.Role(arg)
		if !slices.Contains(rights.Roles(), role) {
			problems = append(problems, fmt.Errorf("read role: found %q, expected one of %v", arg, rights.Roles()))
		}
		roles = append(roles, role)
	}
	return roles, errors.Join(problems...)
}
