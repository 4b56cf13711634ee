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
	"vedette/pipeline"
	"vedette/producer/monitor"
	"vedette/workers"
)

// maxConcurrency is the most that a file allows too.
const maxConcurrency = 1 << 16

// ErrNoRelays is a worker that is to send mails, and knows no relay.
var ErrNoRelays = errors.New("found no relay")

// CheckWorker finds what is wrong with the flags of a worker.
func (o Options) CheckWorker() error {
	problems := []error{cli.CheckLocation(o.Location)}
	if o.NATS == "" {
		problems = append(problems, errors.New("read --nats: found neither that nor $NATS_URL, expected the URL of a NATS server"))
	}
	if o.Concurrency < 0 || o.Concurrency > maxConcurrency {
		problems = append(problems, fmt.Errorf("read --concurrency: found %d, expected 1 to %d", o.Concurrency, maxConcurrency))
	}
	for _, stage := range o.Stages {
		problems = append(problems, checkStages([]string{stage}))
	}
	return errors.Join(problems...)
}

// Work does the work of a worker until ctx ends.
func (o Options) Work(ctx context.Context, path string, stdout, stderr io.Writer) (err error) {
	hangups, unhook := notifyHangups()
	defer unhook()
	log, err := cli.Logger(stderr, o.LogFormat, o.LogLevel)
	if err != nil {
		return cli.InputError(err)
	}
	secrets, err := cli.OpenSecrets(o.Secrets)
	if err != nil {
		return err
	}
	file, err := o.workerFile(path)
	if err != nil {
		return err
	}
	if o.HTTP != "" {
		if err := cli.CheckListen(ctx, o.HTTP); err != nil {
			return err
		}
	}
	o.Data = cmp.Or(o.Data, file.Server.Data)
	p, stop, err := o.open(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	r := &instanceRun{
		options: o, path: path, file: file, pipeline: p, log: log, secrets: secrets, stdout: stdout, stderr: stderr,
		notices: workers.NewNoticeSender(p, log), heartbeats: workers.NewHeartbeats(p), hangups: hangups,
	}
	if err := r.awaitInstallation(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	tree, err := r.workerTree(ctx)
	if err != nil {
		return err
	}
	cli.Writef(stdout, "vedette works at %s: %s\n", p.URL(), strings.Join(o.Stages, ", "))
	return r.serveTree(ctx, tree)
}

// workerFile reads the file, if there is one, and tells whether the roles can
// do with what it says.
func (o Options) workerFile(path string) (*monitor.File, error) {
	file, err := monitor.Parse("", []byte("{}"), monitor.Options{}) // every default
	if path != "" {
		file, err = cli.LoadFile(path, io.Discard) // its warnings are about what is watched
	}
	if err != nil {
		return nil, err
	}
	if slices.Contains(o.Stages, workers.StageMail) && len(file.Mail.Relays) == 0 {
		return nil, cli.InputError(fmt.Errorf("set up mail: %w in the section mail, which the role mail needs", ErrNoRelays))
	}
	return file, nil
}

// awaitInstallation waits until there is work to do, and says so if that takes
// a while.
func (r *instanceRun) awaitInstallation(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, cli.FindTimeout)
	defer cancel()
	err := r.pipeline.AwaitInstalled(soon)
	if soon.Err() != nil && ctx.Err() == nil {
		cli.Writef(r.stderr, "vedette: %v yet; waiting for 'vedette run FILE' to make one\n", pipeline.ErrNotInstalled)
		err = r.pipeline.AwaitInstalled(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}
