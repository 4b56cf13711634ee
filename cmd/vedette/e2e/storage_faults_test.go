package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/faults"
	"vedette/pipeline/job"
)

// A read-only file system is noticed before a stream is broken, and the process is
// ready again once it is writable.
func TestReadOnlyDiskIsNoticedAndHealed(t *testing.T) {
	t.Parallel()
	d := newFaultyDisk(t, 2)
	d.do(d.ReadOnly)
	d.noticed(job.FaultReadOnly, "is read-only")
	d.commandsShow("is read-only", "remount")
	d.do(d.Writable)
	d.checked(healTime)
	d.ready()
	d.heardOnce(1)
	d.stop()
}

// When the data directory is removed, what was in it is lost. The process says
// what that is, starts again on an empty directory, and watches on.
func TestRemovedDataAreNoticedAndTheProcessStartsAgain(t *testing.T) {
	t.Parallel()
	d := newFaultyDisk(t, 2)
	if output, code := d.vedette("silence", "add", "monitor=web*", "--for", "1h", "--author", "ann", "--data", d.data()); code != 0 {
		t.Fatalf("got %d %s, want a silence", code, output)
	}
	d.do(d.Empty)
	d.noticed(job.FaultDataRemoved, "was removed")
	eventually(t, "what is lost in the log", func() bool { return strings.Contains(d.output.String(), "starting again on an empty data directory") })
	eventually(t, "the end of the fault", func() bool {
		return strings.Count(d.output.String(), "vedette watches 2 monitors") == 2 && d.condition(job.ProcessStorage).OK
	})
	d.checked(healTime)
	d.heardOnce(1)
	const lost = "lost with it are 1 silence, the states, incidents and results of all monitors, and what people were notified of; the monitors are defined again from "
	if !strings.Contains(d.output.String(), lost) || !d.box.Holds("FAULT ENDED", "1 silence") {
		t.Errorf("got mails %+v, want %q in the log and the mail", d.box.All(), lost)
	}
	if _, err := os.Stat(d.data()); err != nil {
		t.Errorf("got %v, want a new data directory", err)
	}
	d.stop()
}

// descriptors is a limit that suffices for work, not for many connections.
const descriptors = 120

// Without a file descriptor nothing can be opened. The process goes on once there
// are some again.
func TestUsedUpDescriptorsAreNoticedAndHealed(t *testing.T) {
	t.Parallel()
	x, box := newCountingTarget(t), newInbox(t)
	r := newInstance(t, fmt.Sprintf(`
recipients: {ops: [ops@example.org]}
operators: [ops]
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 2s, timeout: 1500ms, notify: [ops]}
monitors: [{name: m, http: '%s'}]
`, box.Relay(), x.url))
	d := &faultyDisk{running: r, target: x, box: box}
	r.limited(descriptors)
	d.ready()
	d.checked(patience)
	var held faults.Connections
	if err := held.Hold(r.http, 2*descriptors); err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	eventually(t, "the fault in the log", func() bool { return strings.Contains(r.output.String(), "file descriptors left, its limit is 120") })
	d.doctorShows("file descriptors left", "ulimit -n") // by the file, as it cannot connect
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	d.checked(healTime)
	d.ready()
	t.Logf("ready again %s after there were descriptors", time.Since(began).Round(10*time.Millisecond))
	d.heardOnce(1)
	r.stop()
}
