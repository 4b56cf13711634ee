package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
)

// A server in a process of its own heals too, and the processes that use it go on.
// When its data are removed, it ends so that it is started again.
func TestServerWithAFullDiskIsHealedAndEndsWithoutItsData(t *testing.T) {
	t.Parallel()
	needMounts(t)
	target := newCountingTarget(t)
	r := newInstance(t, fmt.Sprintf("defaults: {interval: 2s, timeout: 1500ms}\nmonitors: [{name: m, http: '%s'}]\n", target.url))
	disk := mountDisk(t, filepath.Join(r.dir, "disk"))
	d := &faultyDisk{running: r, Disk: disk, target: target}
	health := freeAddress(t)
	server := spawn(t, r.dir, "server", "--data", d.data(), "--listen", lastingAddress(t), "--http", health)
	server.says(t, "vedette serves NATS")
	eventually(t, "a ready server", func() bool { return answers("http://" + health + "/readyz") })
	url, err := broker.FindURL(d.data())
	if err != nil {
		t.Fatal(err)
	}
	r.start("--nats", url)
	r.ready()
	d.checked(patience)
	other := &faultyDisk{running: &running{t: t, http: health}}
	d.do(disk.Fill)
	other.noticed(job.FaultDiskFull, "is full")
	<-time.After(time.Second)
	d.do(disk.Free)
	t.Logf("first check %s after there was room", d.checked(healTime))
	eventually(t, "a ready server again", func() bool { return answers("http://" + health + "/readyz") })
	r.ready()
	r.stop()
	d.do(disk.Empty)
	_ = waitFor(server.cmd, 2*patience)
	output := strings.TrimSpace(server.output.String())
	last := output[strings.LastIndexByte(output, '\n')+1:]
	if code := server.cmd.ProcessState.ExitCode(); code != cli.ExitFailed || !strings.Contains(output, "was removed: the server must be started again, on an empty directory or a copy") {
		t.Errorf("got exit code %d and last line %q, want %d and that the data were removed", code, last, cli.ExitFailed)
	}
}
