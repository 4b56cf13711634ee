package instance

import (
	"context"
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

// notifyHangups are the SIGHUPs of the process. It asks for them before it does
// anything else: one that comes while it starts must not end it, as it would by
// default, but waits until the file can be read again.
func notifyHangups() (signals <-chan os.Signal, stop func()) {
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGHUP)
	return received, func() { signal.Stop(received) }
}

// reload reads the file again at each SIGHUP, until ctx ends.
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

// reloadFile applies the file as it is now. What is wrong with it is said, and
// changes nothing.
func (r *instanceRun) reloadFile(ctx context.Context, work *workers.Workers) {
	file, err := cli.LoadFile(r.path, r.stderr)
	if err != nil {
		cli.Writef(r.stderr, "vedette: %v\nvedette: %s was not applied; everything goes on as before\n", err, r.path)
		return
	}
	change, err := producer.Apply(ctx, r.pipeline, cli.Definitions(file), cli.Progress(r.stderr, time.Now))
	if err != nil {
		cli.Writef(r.stderr, "vedette: %v\nhint: send SIGHUP again to do the rest\n", err)
		return
	}
	if err := work.SetLimits(r.options.limits(file.Workers)); err != nil {
		cli.Writef(r.stderr, "warning: %v\n", err)
	}
	r.warnOfSecrets(file)
	cli.Writef(r.stdout, "%s", cli.ChangeLines(change, false))
	r.warnUnapplied(file)
	cli.ReleaseMemory(file.Count()) // a file of a million monitors is hundreds of megabytes of garbage now
}

// warnUnapplied says what of a changed file waits for the next start.
func (r *instanceRun) warnUnapplied(file *monitor.File) {
	templates := file.Notifications.TextTemplate != r.file.Notifications.TextTemplate || file.Notifications.HTMLTemplate != r.file.Notifications.HTMLTemplate
	if !reflect.DeepEqual(file.Mail, r.file.Mail) || file.Server != r.file.Server || templates || !equalTargets(file.Workers, r.file.Workers) {
		cli.Writef(r.stderr, "warning: the sections mail and server, templates, reference targets, or what workers may check, have changed; they take effect when vedette is started again\n")
	}
}

// equalTargets reports whether two sections allow the same targets to be checked, with
// the same reference targets.
func equalTargets(a, b monitor.Workers) bool {
	return a.ChecksPerHost == b.ChecksPerHost && slices.Equal(a.ReferenceTargets, b.ReferenceTargets) && slices.Equal(a.AllowNetworks, b.AllowNetworks) && slices.Equal(a.DenyNetworks, b.DenyNetworks)
}
