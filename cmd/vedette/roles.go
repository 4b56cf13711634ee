package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/job"
)

func rolesCommand() *cobra.Command {
	names := pipeline.Names{Prefix: "vedette"}
	var location string
	cmd := &cobra.Command{
		Use:   "roles [ROLE...]",
		Short: "Print the users of a shared NATS server, each with the rights of a role",
		Long: `Prints the authorization block of a nats-server configuration: a user for each
role, who may do what its work needs and nothing else. Passwords come from the
environment of the server; 'vedette auth init' makes a file with passwords of its
own instead. Without arguments, all roles:

` + roleLines() + `
Programs connect with the user's name in the URL, which keeps their inboxes
apart: nats://vedette-publisher:PASSWORD@host:4222.`,
		Example: `  vedette roles >> nats-server.conf
  vedette roles check_worker --location fra`,
		RunE: func(cmd *cobra.Command, args []string) error {
			roles, err := readRoles(args)
			if err != nil {
				return cli.UsageError(cmd, err)
			}
			if err := cli.LocationProblem(location); err != nil {
				return cli.UsageError(cmd, err)
			}
			users := make([]pipeline.User, len(roles))
			for i, role := range roles {
				users[i] = pipeline.User{Role: role, Location: location}
				users[i].Password = "$" + names.PasswordVariable(users[i])
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), names.ServerConfig(users))
			return err
		},
	}
	cmd.Flags().StringVar(&location, "location", job.DefaultLocation, "location of the check worker")
	return cmd
}

// roleLines tells people what each role is for.
func roleLines() string {
	uses := map[pipeline.Role]string{
		pipeline.RolePublisher:   "orders checks and mails, and reads what became of them",
		pipeline.RoleScheduler:   "turns ticks into checks",
		pipeline.RoleCheckWorker: "makes the checks of one location",
		pipeline.RoleEvaluator:   "judges results, and orders checks out of turn",
		pipeline.RoleNotifier:    "decides who is told of what changed, and orders the mails",
		pipeline.RoleMailWorker:  "sends mails",
		pipeline.RoleViewer:      "reads what the overview shows",
		pipeline.RoleAdmin:       "everything in this installation; 'vedette run' needs it",
	}
	var b strings.Builder
	for _, role := range pipeline.Roles() {
		fmt.Fprintf(&b, "  %-13s %s\n", role, uses[role])
	}
	return b.String()
}

func readRoles(args []string) ([]pipeline.Role, error) {
	if len(args) == 0 {
		return pipeline.Roles(), nil
	}
	var roles []pipeline.Role
	var problems []error
	for _, arg := range args {
		role := pipeline.Role(arg)
		if !slices.Contains(pipeline.Roles(), role) {
			problems = append(problems, fmt.Errorf("read role: found %q, expected one of %v", arg, pipeline.Roles()))
		}
		roles = append(roles, role)
	}
	return roles, errors.Join(problems...)
}
