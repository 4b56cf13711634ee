package faultsoak

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"vedette/cmd/vedette/internal/faults"
	"vedette/pipeline/job"
)

// processFaults are faults of processes, and of targets for comparison.
func processFaults() []fault {
	return []fault{
		{
			name: "target-gone", what: "a target is gone: not a fault of Vedette", monitor: monitorControl, mail: []string{"DOWN"}, to: owner,
			begin: func(_ context.Context, w *world) error { return w.control.goAway() },
			end:   func(_ context.Context, w *world) error { return w.control.comeBack() },
			after: func(w *world, began time.Time) bool { return countMails(w, began, owner, "[UP]") > 0 },
		},
		{
			name: "killed", what: "SIGKILL, started again after 10 s", hold: 10 * time.Second, monitor: monitorTarget, shown: true, watchdog: true,
			begin: func(_ context.Context, w *world) error { return w.main.hold(syscall.SIGKILL) },
			end:   func(_ context.Context, w *world) error { return w.main.start() }, starts: 1,
		},
		{
			name: "stopped", what: "SIGSTOP for 15 s", hold: 15 * time.Second, monitor: monitorTarget, shown: true, watchdog: true,
			begin: func(_ context.Context, w *world) error { return w.main.signal(syscall.SIGSTOP) },
			end:   func(_ context.Context, w *world) error { return w.main.signal(syscall.SIGCONT) },
		},
		{
			name: "worker-cut", what: "a worker loses its connection to the server", monitor: monitorFar, shown: true, watchdog: true,
			at: func(w *world) *process { return w.worker }, mail: []string{"silent"}, to: operator,
			begin: func(_ context.Context, w *world) error { return w.cable.goAway() },
			end:   func(_ context.Context, w *world) error { return w.cable.comeBack() },
		},
		{
			name: "no-descriptors", what: "no file descriptor is left for 20 s", hold: longFault, monitor: monitorTarget, shown: true, watchdog: true, mail: condition(job.ProcessStorage), to: operator,
			begin: func(_ context.Context, w *world) error { return faults.ExhaustDescriptors(w.main.pid()) },
			end:   func(_ context.Context, w *world) error { return faults.RestoreDescriptors(w.main.pid()) },
		},
	}
}

// longFault is longer than any outage that passes unnoticed.
const longFault = 20 * time.Second

// mailFaults are faults of the relays.
func mailFaults() []fault {
	relays := func(do func(*relay) error, which ...int) func(context.Context, *world) error {
		return func(_ context.Context, w *world) error {
			for _, i := range which {
				if err := do(w.relays[i]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	away, back := func(r *relay) error { return r.goAway() }, func(r *relay) error { return r.comeBack() }
	busy := func(busy bool) func(*relay) error {
		return func(r *relay) error { r.busy.Store(busy); return nil }
	}
	return []fault{
		{
			name: "relay-away", what: "the first relay is away", monitor: monitorTarget, shown: true, mail: condition(job.ProcessMail), to: operator,
			begin: relays(away, 0), end: relays(back, 0),
		},
		{
			name: "relays-away", what: "all relays are away", monitor: monitorTarget, shown: true, watchdog: true,
			begin: relays(away, 0, 1), end: relays(back, 0, 1),
		},
		{
			name: "relays-busy", what: "all relays answer 451", monitor: monitorTarget, shown: true, watchdog: true,
			begin: relays(busy(true), 0, 1), end: relays(busy(false), 0, 1),
		},
	}
}

// storageFaults are faults of the data directory.
func storageFaults() []fault {
	needs := func(w *world) error { return w.noDisk }
	base := fault{monitor: monitorTarget, shown: true, watchdog: true, mail: condition(job.ProcessStorage), to: operator, needs: needs}
	fill := func(_ context.Context, w *world) error { return w.disk.Fill() }
	free := func(_ context.Context, w *world) error { return w.disk.Free() }
	short, long, readOnly := base, base, base
	short.name, short.what, short.hold, short.begin, short.end = "disk-full-1s", "the disk is full for 1 s", time.Second, fill, free
	short.unreported = "it is over before people should hear of it"
	long.name, long.what, long.hold, long.begin, long.end = "disk-full", "the disk is full for 20 s", longFault, fill, free
	readOnly.name, readOnly.what, readOnly.hold = "disk-read-only", "the data directory is read-only for 20 s", longFault
	readOnly.begin = func(_ context.Context, w *world) error { return w.disk.ReadOnly() }
	readOnly.end = func(_ context.Context, w *world) error { return w.disk.Writable() }
	return []fault{short, long, readOnly}
}

// otherFaults are those of the file and of the watchdog's receiver.
func otherFaults() []fault {
	return []fault{
		{
			name: "file-empty", what: "the file is empty at a SIGHUP, and whole later", monitor: monitorTarget, shown: true, mail: condition(job.ProcessFile), to: operator,
			begin: func(_ context.Context, w *world) error {
				if err := os.Truncate(w.file, 0); err != nil {
					return err
				}
				return w.main.signal(syscall.SIGHUP)
			},
			end: func(_ context.Context, w *world) error { return w.write(w.monitors()) },
		},
		{
			name: "damaged", what: "a file of results is damaged while the instance is stopped", monitor: monitorTarget, shown: true, mail: condition(job.ProcessData), to: operator,
			begin: func(_ context.Context, w *world) error {
				return errors.Join(w.main.hold(syscall.SIGTERM), w.damage(), w.main.start())
			},
			end: func(_ context.Context, w *world) error { // the condition lasts until then
				return errors.Join(w.main.hold(syscall.SIGTERM), w.main.start())
			},
			starts: 2,
		},
		{
			name: "watchdog-away", what: "the watchdog's receiver is away", monitor: monitorTarget, shown: true, mail: condition(job.ProcessWatchdog), to: operator,
			begin: func(_ context.Context, w *world) error { return w.watchdog.goAway() },
			end:   func(_ context.Context, w *world) error { return w.watchdog.comeBack() },
		},
	}
}

// countMails counts the mails to an address since a time whose subject begins with
// a kind.
func countMails(w *world, since time.Time, to, kind string) int {
	n := 0
	for _, m := range w.post.since(since) {
		if m.to == to && strings.HasPrefix(m.subject, kind) {
			n++
		}
	}
	return n
}
