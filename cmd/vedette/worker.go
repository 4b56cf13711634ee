package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/instance"
	"vedette/workers"
)

func workerCommand() *cobra.Command {
	var options instance.Options
	cmd := &cobra.Command{
		Use:   "worker [FILE]",
		Short: "Work on jobs for an installation on a NATS server elsewhere",
		Long: `Takes jobs from a NATS server and does them. It only connects to that server, to
targets and to relays; nothing connects to it. It creates no streams: it waits until
an installation exists. Any number of workers share the work. If one dies, others
repeat its jobs within seconds.

It reads only these sections of the file:
  workers         how many jobs run at once, and which targets may be checked;
                  without a file the defaults apply
  mail            relays and mail settings; required for the stage mail
  notifications   mail templates, for the stage notify
  server          data (the directory for copies of operator mails), and grace
SIGHUP reads the limits again. The secrets that monitors use must be on this
machine: see --secrets.

The stages are schedule, check, evaluate, notify, mail, and maintain, which handles
dead letters and notifies the operators. On a server with the users from 'vedette
roles' each stage has its own role; maintain, and several stages in one process,
need the role admin.

A worker with --location runs the checks for that location: for monitors that list
it in their locations, and from 'vedette enqueue check --location'. Monitors without
locations are checked at the location default.`,
		Example: `  vedette worker --nats nats://n1:4222,nats://n2:4222,nats://n3:4222
  vedette worker --nats nats://n1:4222 --location fra --concurrency 100
  vedette worker --nats nats://n1:4222 --stages mail monitors.yaml
  vedette worker --nats tls://vedette-check-worker@n1:4222 --nats-ca ca.pem \
    --nats-password-file check.password`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := strings.Join(args, "")
			options.NATS = cmp.Or(options.NATS, os.Getenv("NATS_URL"))
			if err := options.CheckWorker(); err != nil {
				return cli.UsageError(cmd, err)
			}
			return options.Work(cmd.Context(), path, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.NATSFlags(cmd, "URL of the NATS server, or URLs of the cluster's nodes (default $NATS_URL)")
	instance.Flags(cmd, &options)
	cmd.Flags().IntVar(&options.Concurrency, "concurrency", 0, "jobs that run at once from each queue (default from the section workers in the file)")
	cmd.Flags().StringVar(&options.HTTP, "http", "", "address for /healthz and /readyz (default none)")
	cmd.Flags().StringSliceVar(&options.Stages, "stages", []string{workers.StageCheck}, "stages of this process: "+strings.Join(instance.AllStages(), ", "))
	return cmd
}
