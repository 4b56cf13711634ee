package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline/job"
	"vedette/workers"
)

func workerCommand() *cobra.Command {
	options := instance.Options{Location: job.DefaultLocation}
	cmd := &cobra.Command{
		Use:   "worker [FILE]",
		Short: "Do a part of the work of an installation on a NATS server elsewhere",
		Long: `Takes jobs from a NATS server and does them. It connects to that, to what it
checks and to relays, and nothing has to connect to it. It installs nothing: until
an installation is there it waits for it. Any number of workers share the work;
what a dead one was doing is done by others within seconds.

Of the file it reads what concerns itself, and nothing of what is watched:
  workers         how many jobs it does at once, and what it may check; as by default
                  without a file
  mail            the relays and how to use them; the role mail must have it
  notifications   the templates of mails, for the role notify, if there are any
  server          data, where mails are kept that operators must not miss, and grace
SIGHUP reads it again for how many jobs it does at once. The secrets that monitors
refer to are here too, where they are needed: see --secrets.

The roles are schedule, check, evaluate, notify, mail, and maintain, which looks
after dead letters and tells the operators. On a server whose users are those of
'vedette roles', each of them has one of its own; maintain, or several of them in
one process, need the operator.

A worker with a --location makes the checks of that location: those of monitors
that name it among their locations, and those that are ordered there with 'vedette
order check --location'. Monitors that name none are checked at the location
default.`,
		Example: `  vedette worker --nats nats://n1:4222,nats://n2:4222,nats://n3:4222
  vedette worker --nats nats://n1:4222 --location fra --concurrency 100
  vedette worker --nats nats://n1:4222 --stages mail monitors.yaml
  vedette worker --nats tls://vedette-check-worker@n1:4222 --nats-ca ca.pem \
    --nats-password-file check.password`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := ""
			if len(args) == 1 {
				path = args[0]
			}
			options.NATS = cmp.Or(options.NATS, os.Getenv("NATS_URL"))
			if err := options.CheckWorker(); err != nil {
				return cli.UsageError(cmd, err)
			}
			return options.Work(cmd.Context(), path, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cli.SecretsFlag(cmd, &options.Secrets)
	options.NATSFlags(cmd, "URL of the NATS server, or those of a cluster's nodes (default $NATS_URL)")
	cmd.Flags().StringSliceVar(&options.Stages, "stages", []string{workers.StageCheck}, "what it does: "+strings.Join(instance.AllStages(), ", "))
	cmd.Flags().StringVar(&options.Location, "location", options.Location, "where its checks are made")
	cmd.Flags().IntVar(&options.Concurrency, "concurrency", 0, "how many jobs of each queue it does at once (default as the section workers of the file says)")
	cmd.Flags().StringVar(&options.HTTP, "http", "", "address of /healthz and /readyz (default none)")
	cmd.Flags().StringVar(&options.Data, "data", "", "data directory (default server.data of the file, or "+cli.DefaultData+")")
	cmd.Flags().StringVar(&options.LogFormat, "log-format", "text", "log on standard error as text or json")
	cmd.Flags().StringVar(&options.LogLevel, "log-level", "warn", "log from debug, info, warn or error on")
	return cmd
}
