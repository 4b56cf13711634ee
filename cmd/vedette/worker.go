package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/producer/monitor"
	"vedette/workers"
)

func workerCommand() *cobra.Command {
	options := runOptions{location: job.DefaultLocation}
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

The roles are schedule, check, evaluate, notify, mail, and operate, which looks
after dead letters and tells the operators. On a server whose users are those of
'vedette roles', each of them has one of its own; operate, or several of them in
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
			options.nats = firstOf(options.nats, os.Getenv("NATS_URL"))
			if err := options.checkWorker(); err != nil {
				return usageError(cmd, err)
			}
			return options.work(cmd.Context(), path, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	secretsFlag(cmd, &options.secrets)
	options.natsFlags(cmd, "URL of the NATS server, or those of a cluster's nodes (default $NATS_URL)")
	cmd.Flags().StringSliceVar(&options.stages, "stages", []string{workers.StageCheck}, "what it does: "+strings.Join(allStages(), ", "))
	cmd.Flags().StringVar(&options.location, "location", options.location, "where its checks are made")
	cmd.Flags().IntVar(&options.concurrency, "concurrency", 0, "how many jobs of each queue it does at once (default as the section workers of the file says)")
	cmd.Flags().StringVar(&options.http, "http", "", "address of /healthz and /readyz (default none)")
	cmd.Flags().StringVar(&options.data, "data", "", "data directory (default server.data of the file, or "+defaultData+")")
	cmd.Flags().StringVar(&options.logFormat, "log-format", "text", "log on standard error as text or json")
	cmd.Flags().StringVar(&options.logLevel, "log-level", "warn", "log from debug, info, warn or error on")
	return cmd
}

// maxConcurrency is the most that a file allows too.
const maxConcurrency = 1 << 16

// errNoRelays is a worker that is to send mails, and knows no relay.
var errNoRelays = errors.New("found no relay")

func (o runOptions) checkWorker() error {
	problems := []error{locationProblem(o.location)}
	if o.nats == "" {
		problems = append(problems, errors.New("read --nats: found neither that nor $NATS_URL, expected the URL of a NATS server"))
	}
	if o.concurrency < 0 || o.concurrency > maxConcurrency {
		problems = append(problems, fmt.Errorf("read --concurrency: found %d, expected 1 to %d", o.concurrency, maxConcurrency))
	}
	for _, stage := range o.stages {
		problems = append(problems, checkStages([]string{stage}))
	}
	return errors.Join(problems...)
}

// work does the work of a worker until ctx ends.
func (o runOptions) work(ctx context.Context, path string, stdout, stderr io.Writer) (err error) {
	hangups, unhook := hangups()
	defer unhook()
	log, err := logger(stderr, o.logFormat, o.logLevel)
	if err != nil {
		return invalid(err)
	}
	secrets, err := openSecrets(o.secrets)
	if err != nil {
		return err
	}
	file, err := o.workerFile(path)
	if err != nil {
		return err
	}
	if o.http != "" {
		if err := canListen(ctx, o.http); err != nil {
			return err
		}
	}
	o.data = firstOf(o.data, file.Server.Data)
	p, stop, err := o.open(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	r := &instanceRun{
		options: o, path: path, file: file, pipeline: p, log: log, secrets: secrets, stdout: stdout, stderr: stderr,
		alerts: workers.NewNoticeSender(p, log), heartbeats: workers.NewHeartbeats(p), hangups: hangups,
	}
	if err := r.awaitInstallation(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	tree, err := r.workerTree(ctx)
	if err != nil {
		return err
	}
	say(stdout, "vedette works at %s: %s\n", p.URL(), strings.Join(o.stages, ", "))
	return r.serveTree(ctx, tree)
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// workerFile reads the file, if there is one, and tells whether the roles can
// do with what it says.
func (o runOptions) workerFile(path string) (*monitor.File, error) {
	file, err := monitor.Parse("", []byte("{}"), monitor.Options{}) // every default
	if path != "" {
		file, err = loadFile(path, io.Discard) // its warnings are about what is watched
	}
	if err != nil {
		return nil, err
	}
	if slices.Contains(o.stages, workers.StageMail) && len(file.Mail.Relays) == 0 {
		return nil, invalid(fmt.Errorf("set up mail: %w in the section mail, which the role mail needs", errNoRelays))
	}
	return file, nil
}

// awaitInstallation waits until there is work to do, and says so if that takes
// a while.
func (r *instanceRun) awaitInstallation(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	err := r.pipeline.AwaitInstalled(soon)
	if soon.Err() != nil && ctx.Err() == nil {
		say(r.stderr, "vedette: %v yet; waiting for 'vedette run FILE' to make one\n", pipeline.ErrNotInstalled)
		err = r.pipeline.AwaitInstalled(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}
