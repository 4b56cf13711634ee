package instance

import (
	"context"
	"io"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"syscall"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers"
)

// notifyHangups receives the process's SIGHUPs. It is called before anything
// else: an early signal would end the process by default, and so waits until the
// file can be read again.
func notifyHangups() (signals <-chan os.Signal, stop func()) {
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGHUP)
	return received, func() { signal.Stop(received) }
}

// reload reads the file at each SIGHUP, until ctx ends.
func (r *instanceRun) reload(ctx context.Context, work *workers.Workers) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hangups:
			r.reloadFile(ctx, work)
		}
	}
}

// reloadFile applies the file; a worker only its limits. A file with mistakes
// changes nothing.
func (r *instanceRun) reloadFile(ctx context.Context, work *workers.Workers) {
	warnings := r.stderr
	if r.table == nil {
		warnings = io.Discard // they are about monitors
	}
	file, err := cli.LoadFile(r.path, warnings)
	if err != nil {
		cli.PrintError(r.stderr, err)
		cli.Writef(r.stderr, "vedette: %s was not applied; nothing has changed\n", r.path)
		return
	}
	changes := ""
	if r.table != nil {
		change, err := producer.Apply(ctx, r.pipeline, cli.Definitions(file), cli.Progress(r.stderr, time.Now))
		if err != nil {
			cli.PrintError(r.stderr, &cli.HintError{Err: err, Hint: "send SIGHUP again to apply the rest"})
			return
		}
		r.warnOfSecrets(file)
		changes = cli.ChangeLines(change, false)
	}
	r.direct.setOperators(file)
	if err := work.SetLimits(r.options.limits(file.Workers)); err != nil {
		cli.Writef(r.stderr, "warning: %v\n", err)
	}
	cli.Writef(r.stdout, "%s", changes)
	r.warnUnapplied(file)
	cli.ReleaseMemory(file.Count()) // a file with a million monitors leaves hundreds of megabytes of garbage
}

// warnUnapplied warns about changes in the file that need a restart.
func (r *instanceRun) warnUnapplied(file *monitor.File) {
	templates := file.Notifications.TextTemplate != r.file.Notifications.TextTemplate || file.Notifications.HTMLTemplate != r.file.Notifications.HTMLTemplate
	if !reflect.DeepEqual(file.Mail, r.file.Mail) || file.Server != r.file.Server || templates || !equalTargets(file.Workers, r.file.Workers) {
		cli.Writef(r.stderr, "warning: changes in the sections mail and server, in templates, reference targets or the targets that workers may check take effect when vedette is restarted\n")
	}
}

// equalTargets reports whether two sections allow the same targets, with the same
// reference targets.
func equalTargets(a, b monitor.Workers) bool {
	return a.ChecksPerHost == b.ChecksPerHost && slices.Equal(a.ReferenceTargets, b.ReferenceTargets) && slices.Equal(a.AllowNetworks, b.AllowNetworks) && slices.Equal(a.DenyNetworks, b.DenyNetworks)
}
