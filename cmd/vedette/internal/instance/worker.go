package instance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/signals"
	"vedette/pipeline"
	"vedette/producer/monitor"
	"vedette/workers"
)

// maxConcurrency is the limit in a file too.
const maxConcurrency = 1 << 16

// CheckWorker returns the mistakes in a worker's flags.
func (o Options) CheckWorker() error {
	problems := []error{cli.CheckLocations(o.Location), checkStages(o.Stages)}
	if o.NATS == "" {
		problems = append(problems, errors.New("read --nats: found neither the flag nor $NATS_URL, expected the URL of a NATS server"))
	}
	if o.Concurrency < 0 || o.Concurrency > maxConcurrency {
		problems = append(problems, fmt.Errorf("read --concurrency: found %d, expected 1 to %d", o.Concurrency, maxConcurrency))
	}
	return errors.Join(problems...)
}

// Work runs a worker until ctx ends.
func (o Options) Work(ctx context.Context, path string, stdout, stderr io.Writer) error {
	return signals.Ended(ctx, stdout, o.work(ctx, path, stdout, stderr))
}

func (o Options) work(ctx context.Context, path string, stdout, stderr io.Writer) (err error) {
	hangups, stopHangups := signals.Hangups()
	defer stopHangups()
	r := &instanceRun{path: path, stdout: stdout, stderr: stderr, hangups: hangups}
	if r.log, err = cli.Logger(stderr, o.LogFormat, o.LogLevel); err != nil {
		return cli.InputError(err)
	}
	if r.secrets, err = cli.OpenSecrets(o.Secrets); err != nil {
		return err
	}
	if r.file, err = o.workerFile(ctx, path); err != nil {
		return signals.UnlessStopped(ctx, err)
	}
	if o.HTTP != "" {
		if err := cli.CheckListen(ctx, o.HTTP); err != nil {
			return signals.UnlessStopped(ctx, err)
		}
	}
	o.Data = cmp.Or(o.Data, r.file.Server.Data)
	stop, err := o.open(ctx, r)
	if err != nil {
		return signals.UnlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	r.options = o
	r.prepare()
	if err := r.awaitInstallation(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	ctx, r.end = context.WithCancelCause(ctx)
	defer r.end(nil)
	tree, err := r.tree(ctx)
	if err != nil {
		return err
	}
	cli.Writef(stdout, "vedette works at %s: %s\n", r.pipeline.URL(), strings.Join(o.Stages, ", "))
	return r.serveTree(ctx, tree)
}

// workerFile reads the file, if there is one, and checks that it suffices for the
// stages.
func (o Options) workerFile(ctx context.Context, path string) (*monitor.File, error) {
	file, err := monitor.Parse("", []byte("{}"), monitor.Options{}) // all defaults
	if path != "" {
		file, err = loadFile(ctx, path, io.Discard) // its warnings are about monitors
	}
	if err != nil {
		return nil, err
	}
	if slices.Contains(o.Stages, workers.StageMail) && len(file.Mail.Relays) == 0 {
		return nil, cli.InputError(&cli.HintError{
			Err:  errors.New("set up mail: found no relay, expected one in the section mail for the stage mail"),
			Hint: "give it the FILE of 'vedette run', or a file with its section mail",
		})
	}
	return file, nil
}

// awaitInstallation waits until the streams exist, and prints a line if that takes
// a while.
func (r *instanceRun) awaitInstallation(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, cli.FindTimeout)
	defer cancel()
	err := r.pipeline.AwaitInstalled(soon)
	if soon.Err() != nil && ctx.Err() == nil {
		cli.Writef(r.stderr, "vedette: %v; waiting for 'vedette run FILE' to create the streams\n", pipeline.ErrNotInstalled)
		err = r.pipeline.AwaitInstalled(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}
