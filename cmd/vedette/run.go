package main

import (
	"strings"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/instance"
)

func runCommand() *cobra.Command {
	var options instance.Options
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Watch the monitors in a file, with everything in one process",
		Long: `Starts a NATS server inside the process, the scheduler and the workers, and watches
the monitors in the file until it is stopped. It prints a line for each change in a
monitor, and serves a status page, /healthz and /readyz.

With --nats any number of processes share the work: start them with the same file,
on one machine or on several. --stages limits a process to some stages; so does
'vedette worker', which does not define monitors. 'vedette server' is a cluster node
for --nats. --replicas can be changed at any time.

SIGHUP reads the file again: monitors are added, changed and removed; the others are
not disturbed. A file with mistakes changes nothing, and neither does one that
lacks more than half of the stored monitors, which may be empty for a moment: it is
read again until it can be applied, or 'vedette apply --allow-removals' applies it.
A start with such a file watches what is stored.

Ctrl-C and SIGTERM stop the process cleanly, also while it starts. Another one, more
than half a second later, ends it at once. A restart continues where it stopped.

Exits with 2 if the file is wrong, and with 3 if the process could not start, or
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
	options.NATSFlags(cmd, "URL of a NATS server, or URLs of a cluster's nodes, instead of the server inside vedette")
	instance.Flags(cmd, &options)
	f := cmd.Flags()
	f.StringVar(&options.HTTP, "http", "", "address for the status page (default server.http in the file, or 127.0.0.1:8080)")
	f.StringVar(&options.Listen, "nats-listen", "", "address for other NATS clients (default server.nats in the file, or 127.0.0.1:4222)")
	f.StringVar(&options.Clients.CertFile, "nats-tls-cert", "", "file with the certificate for other NATS clients")
	f.StringVar(&options.Clients.KeyFile, "nats-tls-key", "", "file with the key of that certificate")
	f.StringVar(&options.Clients.CAFile, "nats-tls-ca", "", "file with the CA for client certificates, which are then required in addition to the secret")
	f.BoolVar(&options.Insecure, "insecure", false, "allow clear text on addresses that other machines can reach")
	f.IntVar(&options.Replicas, "replicas", 0, "copies of each stream in a cluster: 1, 3 or 5 (default server.replicas in the file, or unchanged, at first 1)")
	f.StringSliceVar(&options.Stages, "stages", nil, "stages of this process (default all): "+strings.Join(instance.AllStages(), ", "))
	return cmd
}
