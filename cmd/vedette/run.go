package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/check"
	"vedette/workers/statuspage"
)

// runOptions are the flags of `vedette run`.
type runOptions struct {
	remote // the server inside unless it names one

	data, http, listen  string
	replicas            int        // of each stream; zero leaves them as they are
	location            string     // where checks are made
	concurrency         int        // how many jobs of each queue run at once; zero leaves that to the file
	clients             broker.TLS // of the server inside
	insecure            bool
	stages              []string
	secrets             string                 // their directory; empty means the default
	probes              map[string]check.Probe // in place of the real ones, for injected faults
	logFormat, logLevel string
	refused             func(error) // is told what the server does not allow
}

func runCommand() *cobra.Command {
	var options runOptions
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
			return options.run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&options.data, "data", "", "data directory (default server.data of the file, or "+defaultData+")")
	cmd.Flags().StringVar(&options.http, "http", "", "address of the overview (default server.http of the file, or 127.0.0.1:8080)")
	cmd.Flags().StringVar(&options.listen, "nats-listen", "", "address for other NATS clients (default server.nats of the file, or 127.0.0.1:4222)")
	options.natsFlags(cmd, "URL of a NATS server, or those of a cluster's nodes, to use instead of the server inside")
	listenFlags(cmd, &options)
	cmd.Flags().IntVar(&options.replicas, "replicas", 0, "copies of each stream that a cluster keeps: 1, 3 or 5 (default server.replicas of the file, or as they are, 1 at first)")
	cmd.Flags().StringSliceVar(&options.stages, "stages", nil, "what this process does (default all): "+strings.Join(allStages(), ", "))
	cmd.Flags().StringVar(&options.location, "location", job.DefaultLocation, "where its checks are made")
	secretsFlag(cmd, &options.secrets)
	cmd.Flags().StringVar(&options.logFormat, "log-format", "text", "log on standard error as text or json")
	cmd.Flags().StringVar(&options.logLevel, "log-level", "warn", "log from debug, info, warn or error on")
	return cmd
}

func allStages() []string { return append([]string{workers.StageSchedule}, workers.Stages()...) }

func checkStages(stages []string) error {
	for _, stage := range stages {
		if !slices.Contains(allStages(), stage) {
			return fmt.Errorf("read --stages: found %q, expected %s", stage, strings.Join(allStages(), ", "))
		}
	}
	return nil
}

func checkReplicas(replicas int) error {
	if !slices.Contains([]int{0, 1, 3, 5}, replicas) {
		return fmt.Errorf("read --replicas: found %d, expected 1, 3 or 5", replicas)
	}
	return nil
}

// resolve takes what the flags do not say from the file.
func (o runOptions) resolve(server monitor.Server) runOptions {
	for _, field := range []struct {
		flag *string
		file string
	}{{&o.data, server.Data}, {&o.http, server.HTTP}, {&o.listen, server.NATS}} {
		if *field.flag == "" {
			*field.flag = field.file
		}
	}
	if o.replicas == 0 {
		o.replicas = server.Replicas
	}
	if len(o.stages) == 0 {
		o.stages = allStages()
	}
	if o.location == "" {
		o.location = job.DefaultLocation
	}
	return o
}

// run starts everything, and stops it in reverse: first the tree, then the
// connection that it stands on, then the server.
func (o runOptions) run(ctx context.Context, path string, stdout, stderr io.Writer) (err error) {
	hangups, unhook := hangups()
	defer unhook()
	log, err := logger(stderr, o.logFormat, o.logLevel)
	if err != nil {
		return invalid(err)
	}
	if err := errors.Join(checkStages(o.stages), checkReplicas(o.replicas), locationProblem(cmp.Or(o.location, job.DefaultLocation))); err != nil {
		return invalid(err)
	}
	secrets, err := openSecrets(o.secrets)
	if err != nil {
		return err
	}
	file, err := loadFile(path, stderr)
	if err != nil {
		return err
	}
	o = o.resolve(file.Server)
	if err := o.checkListen(stderr); err != nil {
		return invalid(err)
	}
	if err := canListen(ctx, o.http); err != nil {
		return err
	}
	installing, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	o.refused = refuse
	p, stop, err := o.open(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := install(installing, p, file, stderr); err != nil {
		if cause := context.Cause(installing); errors.Is(cause, pipeline.ErrRefused) {
			err = fmt.Errorf("install: %w", cause)
		}
		return err
	}
	r := &instanceRun{
		monitors: file.Count(), options: o, path: path, file: file, pipeline: p, log: log, secrets: secrets,
		stdout: stdout, stderr: stderr, board: statuspage.NewBoard(), alerts: workers.NewNoticeSender(p, log), heartbeats: workers.NewHeartbeats(p), hangups: hangups,
	}
	r.warnOfSecrets(file)
	file.Encoded = nil // they are stored; the memory is for those who work with them
	beLean(r.monitors)
	return r.serve(ctx)
}

// open starts the server inside, unless another one was named, and connects to
// it. The function that it returns undoes both.
func (o runOptions) open(ctx context.Context, log *slog.Logger) (*pipeline.Pipeline, func() error, error) {
	config := o.config(o.nats)
	if err := config.Login.Validate(); o.nats != "" && err != nil {
		return nil, nil, invalid(err)
	}
	config.Replicas, config.Logger, config.Refused = o.replicas, log, o.refused
	stopServer := func() error { return nil }
	if o.nats == "" {
		b, err := broker.Start(broker.Config{Dir: o.data, Listen: o.listen, Clients: o.clientTLS(), Logger: log})
		if err != nil {
			return nil, nil, err
		}
		config.Login = pipeline.Login{} // which is for servers elsewhere
		config.InProcess, config.User, config.Password = b, broker.User, b.Secret()
		stopServer = b.Stop
	}
	limited, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	p, err := pipeline.Connect(limited, config)
	if err != nil {
		return nil, nil, errors.Join(err, stopServer())
	}
	return p, func() error { return errors.Join(p.Close(), stopServer()) }, nil
}

// commandTimeout bounds what a command waits for a server.
const commandTimeout = 10 * time.Second

// install makes the streams and stores the file's definitions.
func install(ctx context.Context, p *pipeline.Pipeline, file *monitor.File, stderr io.Writer) error {
	if err := p.Ensure(ctx); err != nil {
		return err
	}
	_, err := producer.ApplyWith(ctx, p, definitions(file), progress(stderr, time.Now))
	return err
}

// canListen finds out before anything is started whether an address can be had.
func canListen(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for the overview: %w", err)
	}
	return listener.Close()
}

// instanceRun is a running instance.
type instanceRun struct {
	options        runOptions
	path           string
	file           *monitor.File // without its monitors, which are stored
	monitors       int
	pipeline       *pipeline.Pipeline
	log            *slog.Logger
	secrets        *check.SecretStore
	stdout, stderr io.Writer
	board          *statuspage.Board
	alerts         *workers.NoticeSender
	heartbeats     *workers.Heartbeats
	hangups        <-chan os.Signal
}

// greet tells where things are.
func (r *instanceRun) greet() error {
	mail := "by SMTP, first " + firstRelay(r.file.Mail)
	if len(r.file.Mail.Relays) == 0 {
		mail = "no relay is configured: mails go to the Maildir " + r.maildir() + string(filepath.Separator)
	}
	_, err := fmt.Fprintf(r.stdout, `vedette watches %s of %s
  overview  http://%s/
  nats      %s
  mail      %s
`, count(r.monitors, "monitor"), r.path, r.options.http, r.server(), mail)
	return err
}

func (r *instanceRun) server() string {
	if r.options.nats != "" {
		return r.pipeline.URL()
	}
	if !isLocal(r.options.listen) {
		return r.options.listen + ", for whoever has the secret of " + r.options.data + ": see 'vedette env'"
	}
	return r.options.listen + ", for this user only: see 'vedette env'"
}

func firstRelay(m monitor.Mail) string {
	if len(m.Relays) == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", m.Relays[0].Host, m.Relays[0].Port)
}

func (r *instanceRun) maildir() string { return filepath.Join(r.options.data, "mail") }
