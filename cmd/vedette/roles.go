package main

import (
	"errors"
	"fmt"
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
		Short: "Print the users for a shared NATS server, with the rights for each role",
		Long: `Prints the authorization block for a nats-server configuration: a user for each
role, with only the rights that it needs. Passwords come from the server's
environment; 'vedette auth init' creates a file with its own passwords instead.
Without arguments, it prints all roles:

` + roleUses() + `
Programs connect with the username in the URL, which keeps their inboxes apart:
nats://vedette-publisher:PASSWORD@host:4222.`,
		Example: `  vedette roles >> nats-server.conf
  vedette roles check_worker --location fra`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(checkChoices("role", args, roleNames()), cli.CheckLocations(location)); err != nil {
				return cli.UsageError(cmd, err)
			}
			if len(args) == 0 {
				args = roleNames()
			}
			users := make([]rights.User, len(args))
			for i, role := range args {
				users[i] = rights.User{Role: rights.Role(role), Location: location}
				users[i].Password = "$" + rights.PasswordVariable(names, users[i])
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), rights.ServerConfig(names, users))
			return err
		},
	}
	cmd.Flags().StringVar(&location, "location", job.DefaultLocation, "location for the check worker")
	return cmd
}

func roleNames() []string {
	var names []string
	for _, role := range rights.Roles() {
		names = append(names, string(role))
	}
	return names
}

// roleUses describes what each role is for.
func roleUses() string {
	uses := map[rights.Role]string{
		rights.Publisher:   "enqueues checks and mails, and reads their outcomes",
		rights.Scheduler:   "turns ticks into checks",
		rights.CheckWorker: "runs the checks at one location",
		rights.Evaluator:   "evaluates results, and schedules rechecks",
		rights.Notifier:    "decides who is notified, and enqueues the mails",
		rights.MailWorker:  "sends mails",
		rights.Viewer:      "reads what the status page shows",
		rights.Admin:       "everything in this installation; 'vedette run' needs it",
	}
	var b strings.Builder
	for _, role := range rights.Roles() {
		fmt.Fprintf(&b, "  %-13s %s\n", role, uses[role])
	}
	return b.String()
}
