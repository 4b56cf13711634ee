package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/health"
)

// loadFile reads the file. When ctx ends it returns at once: a file with a million
// monitors takes longer than a service manager waits.
func loadFile(ctx context.Context, path string, stderr io.Writer) (*monitor.File, error) {
	type result struct {
		file *monitor.File
		err  error
	}
	loaded := make(chan result, 1)
	go func() {
		file, err := cli.LoadFile(path, stderr)
		loaded <- result{file, err}
	}()
	select {
	case r := <-loaded:
		return r.file, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A file that could not be applied is read again, since the program
// that writes it may not be done. Reading takes a tenth of the time at most.
const (
	retryPause = 2 * time.Second
	retryShare = 10
)

// reload reads the file at each SIGHUP, and again while it cannot be applied, until
// ctx ends.
func (r *instanceRun) reload(ctx context.Context, work *workers.Workers) error {
	pause := retryPause
	for {
		var retry <-chan time.Time
		if r.refusal != "" {
			retry = time.After(pause)
		}
		output := io.Discard // of a retry
		select {
		case <-ctx.Done():
			return nil
		case <-r.hangups:
			r.refusal, output = "", r.stderr // also what was printed before
		case <-retry:
		}
		began := time.Now()
		r.reloadFile(ctx, work, output)
		pause = max(retryPause, retryShare*time.Since(began))
	}
}

// reloadFile applies the file; a worker only its limits. A file with mistakes, or
// without most of the stored monitors, changes nothing.
func (r *instanceRun) reloadFile(ctx context.Context, work *workers.Workers, progress io.Writer) {
	if r.path == "" {
		cli.Writef(r.stderr, "vedette: SIGHUP changes nothing: this process has no file\n")
		return
	}
	file, err := loadFile(ctx, r.path, r.forMonitors(progress))
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.notApplied(job.FaultFileInvalid, err)
		return
	}
	changes := ""
	if r.table != nil {
		change, err := r.apply(ctx, file)
		if err != nil && ctx.Err() != nil {
			return
		}
		if err != nil {
			r.notApplied(applyFault(err), err)
			return
		}
		r.warnOfSecrets(file)
		changes = cli.ChangeLines(change, false)
	}
	r.direct.setOperators(file)
	if err := work.SetLimits(r.options.limits(file.Workers)); err != nil {
		cli.Writef(r.stderr, "warning: %v\n", err)
	}
	if r.watchdog != nil {
		r.watchdog.SetTargets(watchdogTargets(file.Watchdogs))
	}
	cli.Writef(r.stdout, "%s", changes)
	r.applied()
	r.useOtherSections(file)
	cli.ReleaseMemory(file.Count()) // a file with a million monitors leaves hundreds of megabytes of garbage
}

// forMonitors returns the output for warnings about monitors, which a worker does
// not define.
func (r *instanceRun) forMonitors(output io.Writer) io.Writer {
	if r.table == nil {
		return io.Discard
	}
	return output
}

// applyFault returns why a valid file was not applied.
func applyFault(err error) job.ProcessConditionReason {
	if errors.Is(err, producer.ErrRemovals) {
		return job.FaultFileRemovals
	}
	return job.FaultFileNotStored
}

// applied notes that the stored definitions are those in the file.
func (r *instanceRun) applied() {
	r.refusal = ""
	r.health.Met(job.ProcessFile)
}

// notApplied prints why the file was not applied, once, and makes it a condition.
func (r *instanceRun) notApplied(reason job.ProcessConditionReason, err error) {
	detail := fmt.Sprintf("%s was not applied: %v", r.path, err)
	r.health.Failed(job.ProcessFile, health.Problem{Reason: reason, Advisory: true, Detail: detail})
	if r.refusal == detail {
		return
	}
	r.refusal = detail
	cli.PrintError(r.stderr, err)
	cli.Writef(r.stderr, "vedette: %s was not applied; nothing has changed. It is read again every %s until it can be applied\n", r.path, retryPause)
}

// errComplete ends a run that starts again with a file. One that was empty at the
// start had no relays and no watchdogs either, and only a start reads these.
var errComplete = errors.New("the file is complete")

// useOtherSections starts the process again if the file was refused at its start,
// and otherwise warns about sections that need a restart.
func (r *instanceRun) useOtherSections(file *monitor.File) {
	if !r.needsRestart(file) {
		return
	}
	if r.refusedAtStart {
		cli.Writef(r.stdout, "vedette starts again, with all sections in %s\n", r.path)
		r.next = file
		r.end(errComplete)
		return
	}
	cli.Writef(r.stderr, "warning: changes in the sections mail and server, in templates, reference targets or the targets that workers may check take effect when vedette is restarted\n")
}

// needsRestart reports whether sections have changed that are read at the start.
func (r *instanceRun) needsRestart(file *monitor.File) bool {
	templates := file.Notifications.TextTemplate != r.file.Notifications.TextTemplate || file.Notifications.HTMLTemplate != r.file.Notifications.HTMLTemplate
	return !reflect.DeepEqual(file.Mail, r.file.Mail) || file.Server != r.file.Server || templates || !equalTargets(file.Workers, r.file.Workers)
}

// equalTargets reports whether two sections allow the same targets, with the same
// reference targets.
func equalTargets(a, b monitor.Workers) bool {
	return a.ChecksPerHost == b.ChecksPerHost && slices.Equal(a.ReferenceTargets, b.ReferenceTargets) && slices.Equal(a.AllowNetworks, b.AllowNetworks) && slices.Equal(a.DenyNetworks, b.DenyNetworks)
}
