package main

import (
	"strings"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline/job"
)

func runCommand() *cobra.Command {
	var options instance.Options
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Watch the monitors of a file, with everything in one process",
		Long: `Starts the NATS server inside the process, the scheduler and the workers, and
watches the monitors of the file until it is told to stop. It prints a line for
each change of a monitor, and serves an overview, /healthz and /readyz.

With --nats any number of processes share the work: run as many as you like with
the same file, on one machine or on many. With --stages each does a part of it;
'vedette worker' does too, without a say in what is watched. 'vedette server'
is a node of a cluster for --nats. --replicas can be changed while all goes on.

SIGHUP reads the file again: monitors are added, changed and removed by
difference. A file with mistakes changes nothing. Ctrl-C stops cleanly; a
second one at once. Starting again goes on where it stopped.

Exits with 2 when the file is wrong, and with 3 when a part of the process
failed so often that it gave up.`,
		Example: `  vedette run monitors.yaml
  vedette run --data /var/lib/vedette --http 127.0.0.1:9000 monitors.yaml
  vedette run --nats nats://n1:4222,nats://n2:4222 --replicas 3 monitors.yaml
  vedette run --nats nats://n1:4222 --stages check,mail monitors.yaml
  vedette run --location fra monitors.yaml
  vedette run --secrets /etc/vedette/secrets monitors.yaml
  vedette run --nats tls://vedette-admin@n1:4222 --nats-ca ca.pem --nats-password-file password monitors.yaml
  vedette run --nats-listen 192.0.2.7:4222 --nats-tls-cert server.pem --nats-tls-key server.key monitors.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return options.Run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&options.Data, "data", "", "data directory (default server.data of the file, or "+cli.DefaultData+")")
	cmd.Flags().StringVar(&options.HTTP, "http", "", "address of the overview (default server.http of the file, or 127.0.0.1:8080)")
	cmd.Flags().StringVar(&options.Listen, "nats-listen", "", "address for other NATS clients (default server.nats of the file, or 127.0.0.1:4222)")
	options.NATSFlags(cmd, "URL of a NATS server, or those of a cluster's nodes, to use instead of the server inside")
	listenFlags(cmd, &options)
	cmd.Flags().IntVar(&options.Replicas, "replicas", 0, "copies of each stream that a cluster keeps: 1, 3 or 5 (default server.replicas of the file, or as they are, 1 at first)")
	cmd.Flags().StringSliceVar(&options.Stages, "stages", nil, "what this process does (default all): "+strings.Join(instance.AllStages(), ", "))
	cmd.Flags().StringVar(&options.Location, "location", job.DefaultLocation, "where its checks are made")
	cli.SecretsFlag(cmd, &options.Secrets)
	cmd.Flags().StringVar(&options.LogFormat, "log-format", "text", "log on standard error as text or json")
	cmd.Flags().StringVar(&options.LogLevel, "log-level", "warn", "log from debug, info, warn or error on")
	return cmd
}

func listenFlags(cmd *cobra.Command, o *instance.Options) {
	f := cmd.Flags()
	f.StringVar(&o.Clients.CertFile, "nats-tls-cert", "", "file with the certificate that the server inside shows other NATS clients")
	f.StringVar(&o.Clients.KeyFile, "nats-tls-key", "", "file with its key")
	f.StringVar(&o.Clients.CAFile, "nats-tls-ca", "", "file with the CA whose certificates these clients must show, besides the secret")
	f.BoolVar(&o.Insecure, "insecure", false, "let the server inside listen in clear text beyond this machine")
}
