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
	"slices"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/signals"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/pipeline/stranded"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/check"
	"vedette/workers/health"
	"vedette/workers/mail"
	"vedette/workers/progress"
	"vedette/workers/watchdog"
	"vedette/workers/web"
)

// instanceRun is a running process.
type instanceRun struct {
	options        Options
	path           string
	file           *monitor.File // without its encoded monitors, which are stored
	monitors       int
	broker         *broker.Broker // nil if the server is elsewhere
	restarts       chan string    // reasons to restart it
	pipeline       *pipeline.Pipeline
	log            *slog.Logger
	secrets        *check.SecretStore
	stdout, stderr io.Writer
	table          *web.MonitorTable // nil for a worker
	notices        *workers.NoticeSender
	heartbeats     *workers.Heartbeats
	health         *health.Conditions
	watchdog       *watchdog.Watchdog // nil without the stage maintain
	reporter       *health.Reporter   // before prepare that of the run before, if there was one
	direct         *directMailer
	progress       *progress.Watch
	accepted       mail.Accepted           // of all mailers in this run
	end            context.CancelCauseFunc // ends the run
	hangups        <-chan os.Signal
	reclaimed      stranded.Reclaimed
	recovered      recoveries
	refusal        string        // why the file is not applied; empty if it is
	refusedAtStart bool          // then its other sections may be incomplete too
	next           *monitor.File // for the next life of the process, if it starts again
}

// Run starts everything, and stops it in reverse order: first the tree, then its
// connection, then the server. It starts again if the data are lost while it runs,
// and when a file that was refused at the start is complete.
func (o Options) Run(ctx context.Context, path string, stdout, stderr io.Writer) error {
	log, err := cli.Logger(stderr, o.LogFormat, o.LogLevel)
	if err != nil {
		return cli.InputError(err)
	}
	if err := errors.Join(checkStages(o.Stages), checkReplicas(o.Replicas), cli.CheckLocations(cmp.Or(o.Location, job.DefaultLocation))); err != nil {
		return cli.InputError(err)
	}
	hangups, stopHangups := signals.Hangups()
	defer stopHangups()
	for r := (&instanceRun{}); ; {
		r = &instanceRun{path: path, file: r.next, stdout: stdout, stderr: stderr, log: log, hangups: hangups, reporter: r.reporter}
		err := o.run(ctx, r)
		if ctx.Err() != nil || !errors.Is(err, errDataLost) && r.next == nil {
			return signals.Ended(ctx, stdout, err)
		}
		if err != nil {
			cli.Writef(stderr, "vedette: %v\n", err)
		}
	}
}

// run is one life of the process.
func (o Options) run(ctx context.Context, r *instanceRun) (err error) {
	if r.secrets, err = cli.OpenSecrets(o.Secrets); err != nil {
		return err
	}
	if r.file == nil {
		if r.file, err = loadFile(ctx, r.path, r.stderr); err != nil {
			return signals.UnlessStopped(ctx, err)
		}
	}
	o = o.resolve(r.file.Server)
	if err := o.checkListen(r.stderr); err != nil {
		return cli.InputError(err)
	}
	if err := cli.CheckListen(ctx, o.HTTP); err != nil {
		return signals.UnlessStopped(ctx, err)
	}
	installing, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	o.refused = refuse
	stop, err := o.open(ctx, r)
	if err != nil {
		return signals.UnlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	r.options, r.table = o, web.NewMonitorTable()
	r.prepare()
	if err := r.install(installing); err != nil {
		if cause := context.Cause(installing); errors.Is(cause, pipeline.ErrRefused) {
			return fmt.Errorf("install: %w", cause)
		}
		return signals.UnlessStopped(ctx, err)
	}
	if err := r.recovered.reconcile(installing, r.pipeline, r.log); err != nil {
		return signals.UnlessStopped(ctx, err)
	}
	r.reclaim(ctx)
	return r.serve(ctx)
}

// open starts the server inside the process, unless there is a URL, and connects.
// The returned function closes the connection and stops the server.
func (o Options) open(ctx context.Context, r *instanceRun) (stop func() error, err error) {
	r.health = health.NewConditions(time.Now)
	r.recovered.conditions = r.health
	config := o.Config(o.NATS)
	if err := config.Login.Validate(); o.NATS != "" && err != nil {
		return nil, cli.InputError(err)
	}
	config.Replicas, config.Logger, config.Refused = o.Replicas, r.log, o.refused
	stopServer := func() error { return nil }
	if o.NATS == "" {
		b, err := broker.Start(broker.Config{Dir: o.Data, Listen: o.Listen, ClientTLS: o.clientTLS(), Recovered: r.recovered.add, Logger: r.log})
		if err != nil {
			return nil, err
		}
		config.Login = pipeline.Login{} // is for servers elsewhere
		config.InProcess, config.User, config.Password = b, broker.User, b.Secret()
		r.broker, stopServer = b, b.Stop
	}
	limited, cancel := context.WithTimeout(ctx, cli.CommandTimeout)
	defer cancel()
	if r.pipeline, err = pipeline.Connect(limited, config); err != nil {
		return nil, errors.Join(err, stopServer())
	}
	return func() error { return errors.Join(r.pipeline.Close(), stopServer()) }, nil
}

// install creates the streams and stores the file's definitions. If most monitors
// would be removed, the stored definitions stay: an installation that does not
// start would watch nothing.
func (r *instanceRun) install(ctx context.Context) error {
	if err := r.pipeline.Ensure(ctx); err != nil {
		return err
	}
	change, err := r.apply(ctx, r.file)
	switch {
	case errors.Is(err, producer.ErrRemovals):
		r.refusedAtStart, r.monitors = true, change.Monitors
		r.notApplied(job.FaultFileRemovals, err)
	case err != nil:
		return err
	default:
		r.monitors = r.file.Count()
		r.applied()
	}
	r.warnOfSecrets(r.file)
	r.file.Encoded = nil // stored now; workers need the memory
	cli.ReleaseMemory(r.monitors)
	return nil
}

// apply stores the definitions in a file.
func (r *instanceRun) apply(ctx context.Context, file *monitor.File) (producer.Change, error) {
	return producer.Apply(ctx, r.pipeline, cli.Definitions(file), cli.Progress(r.stderr, time.Now))
}

// prepare makes what all children share.
func (r *instanceRun) prepare() {
	r.notices, r.heartbeats = workers.NewNoticeSender(r.pipeline, r.log), workers.NewHeartbeats(r.pipeline)
	r.progress = progress.NewWatch(progress.Config{
		Conditions: r.health, Connected: r.pipeline.Connected, Repair: r.repairClocks,
		AdvisoryResults: !slices.Contains(r.options.Stages, workers.StageCheck),
	})
	r.direct = &directMailer{transport: r.transport}
	r.direct.setOperators(r.file)
	config := health.ReporterConfig{
		Conditions: r.health, Process: r.pipeline.Process(), Notify: r.pipeline.Notify, Direct: r.direct.send, Previous: r.reporter, Logger: r.log,
	}
	if r.reporter == nil {
		config.Inherited = cli.InheritedConditions(r.options.Data)
	}
	r.reporter = health.NewReporter(config)
}

// printBanner prints the addresses and the mail transport.
func (r *instanceRun) printBanner() {
	transport := "no relay is configured: mails go to the Maildir " + r.maildir() + string(filepath.Separator)
	if relays := r.file.Mail.Relays; len(relays) > 0 {
		transport = fmt.Sprintf("by SMTP, first %s:%d", relays[0].Host, relays[0].Port)
	}
	from := "in " + r.path
	if r.refusal != "" {
		from = "stored before; " + r.path + " was not applied"
	}
	cli.Writef(r.stdout, `vedette watches %s %s
  status page  http://%s/
  nats         %s
  mail         %s
`, cli.Count(r.monitors, "monitor"), from, r.options.HTTP, r.server(), transport)
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
