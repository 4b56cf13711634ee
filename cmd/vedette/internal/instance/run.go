// Package instance runs a process: a whole instance, or a worker for an
// installation elsewhere.
package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/check"
	"vedette/workers/health"
	"vedette/workers/web"
)

// Run starts everything, and stops it in reverse order: first the tree, then its
// connection, then the server.
func (o Options) Run(ctx context.Context, path string, stdout, stderr io.Writer) (err error) {
	hangups, stopHangups := notifyHangups()
	defer stopHangups()
	log, err := cli.Logger(stderr, o.LogFormat, o.LogLevel)
	if err != nil {
		return cli.InputError(err)
	}
	if err := errors.Join(checkStages(o.Stages), checkReplicas(o.Replicas), cli.CheckLocations(cmp.Or(o.Location, job.DefaultLocation))); err != nil {
		return cli.InputError(err)
	}
	secrets, err := cli.OpenSecrets(o.Secrets)
	if err != nil {
		return err
	}
	file, err := cli.LoadFile(path, stderr)
	if err != nil {
		return err
	}
	o = o.resolve(file.Server)
	if err := o.checkListen(stderr); err != nil {
		return cli.InputError(err)
	}
	if err := cli.CheckListen(ctx, o.HTTP); err != nil {
		return err
	}
	installing, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	o.refused = refuse
	conditions := health.NewConditions(time.Now)
	recovered := &recoveries{conditions: conditions}
	o.recovered = recovered.add
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
	if err := recovered.reconcile(installing, p, log); err != nil {
		return err
	}
	r := &instanceRun{
		monitors: file.Count(), options: o, path: path, file: file, pipeline: p, log: log, secrets: secrets,
		stdout: stdout, stderr: stderr, table: web.NewMonitorTable(), notices: workers.NewNoticeSender(p, log), heartbeats: workers.NewHeartbeats(p), health: conditions, hangups: hangups,
	}
	r.warnOfSecrets(file)
	file.Encoded = nil // stored now; workers need the memory
	cli.ReleaseMemory(r.monitors)
	return r.serve(ctx)
}

// open starts the server inside the process, unless there is a URL, and connects.
// The returned function closes the connection and stops the server.
func (o Options) open(ctx context.Context, log *slog.Logger) (*pipeline.Pipeline, func() error, error) {
	config := o.Config(o.NATS)
	if err := config.Login.Validate(); o.NATS != "" && err != nil {
		return nil, nil, cli.InputError(err)
	}
	config.Replicas, config.Logger, config.Refused = o.Replicas, log, o.refused
	stopServer := func() error { return nil }
	if o.NATS == "" {
		b, err := broker.Start(broker.Config{Dir: o.Data, Listen: o.Listen, ClientTLS: o.clientTLS(), Recovered: o.recovered, Logger: log})
		if err != nil {
			return nil, nil, err
		}
		config.Login = pipeline.Login{} // is for servers elsewhere
		config.InProcess, config.User, config.Password = b, broker.User, b.Secret()
		stopServer = b.Stop
	}
	limited, cancel := context.WithTimeout(ctx, cli.CommandTimeout)
	defer cancel()
	p, err := pipeline.Connect(limited, config)
	if err != nil {
		return nil, nil, errors.Join(err, stopServer())
	}
	return p, func() error { return errors.Join(p.Close(), stopServer()) }, nil
}

// install creates the streams and stores the file's definitions.
func install(ctx context.Context, p *pipeline.Pipeline, file *monitor.File, stderr io.Writer) error {
	if err := p.Ensure(ctx); err != nil {
		return err
	}
	_, err := producer.Apply(ctx, p, cli.Definitions(file), cli.Progress(stderr, time.Now))
	return err
}

// instanceRun is a running process.
type instanceRun struct {
	options        Options
	path           string
	file           *monitor.File // without its encoded monitors, which are stored
	monitors       int
	pipeline       *pipeline.Pipeline
	log            *slog.Logger
	secrets        *check.SecretStore
	stdout, stderr io.Writer
	table          *web.MonitorTable // nil for a worker
	notices        *workers.NoticeSender
	heartbeats     *workers.Heartbeats
	health         *health.Conditions
	hangups        <-chan os.Signal
}

// printBanner prints the addresses and the mail transport.
func (r *instanceRun) printBanner() error {
	mail := "no relay is configured: mails go to the Maildir " + r.maildir() + string(filepath.Separator)
	if relays := r.file.Mail.Relays; len(relays) > 0 {
		mail = fmt.Sprintf("by SMTP, first %s:%d", relays[0].Host, relays[0].Port)
	}
	_, err := fmt.Fprintf(r.stdout, `vedette watches %s in %s
  status page  http://%s/
  nats         %s
  mail         %s
`, cli.Count(r.monitors, "monitor"), r.path, r.options.HTTP, r.server(), mail)
	return err
}

func (r *instanceRun) server() string {
	if r.options.NATS != "" {
		return r.pipeline.URL()
	}
	if cli.Exposed(r.options.Listen) {
		return r.options.Listen + ", for clients with the secret in " + r.options.Data + ": see 'vedette env'"
	}
	return r.options.Listen + ", for this user only: see 'vedette env'"
}

func (r *instanceRun) maildir() string { return filepath.Join(r.options.Data, "mail") }
