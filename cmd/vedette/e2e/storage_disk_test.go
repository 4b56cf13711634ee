package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/faults"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/workers/doctor"
)

var (
	diskFull     = flag.Duration("diskfull", time.Second, "how long the disk is full each time")
	diskTimes    = flag.Int("disktimes", 2, "how often the disk is full")
	diskMonitors = flag.Int("diskmonitors", 10, "number of monitors on the disk that is full")
)

// healTime is how long after the end of a fault the first check may take.
const healTime = 10 * time.Second

// faultyDisk is an instance whose data directory is on a disk of its own.
type faultyDisk struct {
	*running
	*faults.Disk

	target *countingTarget
	box    *inbox
}

// needMounts skips the test where no disk can be mounted, unless VEDETTE_MOUNT is
// "required".
func needMounts(t *testing.T) {
	t.Helper()
	err := faults.Available()
	if err != nil && os.Getenv("VEDETTE_MOUNT") == "required" {
		t.Fatalf("mounting a disk is required: %v", err)
	}
	if err != nil {
		t.Skipf("no disk can be mounted: %v", err)
	}
}

// mountDisk mounts a disk until the test has ended, with all processes that it
// starts later.
func mountDisk(t *testing.T, dir string) *faults.Disk {
	t.Helper()
	disk := &faults.Disk{Dir: dir, Size: 32 << 20}
	if err := disk.Mount(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// newFaultyDisk starts an instance with monitors that are checked every two
// seconds, and skips the test where no disk can be mounted.
func newFaultyDisk(t *testing.T, monitors int) *faultyDisk {
	t.Helper()
	needMounts(t)
	d := &faultyDisk{target: newCountingTarget(t), box: newInbox(t)}
	d.box.Pause = 200 * time.Millisecond // so that mails are under way when the fault begins
	var file strings.Builder
	fmt.Fprintf(&file, `
recipients: {ops: [ops@example.org]}
operators: [ops]
mail: {from: vedette@example.org, relays: [%s]}
notifications: {group_wait: 0s}
defaults: {interval: 2s, timeout: 1500ms, notify: [ops]}
monitors:
`, d.box.Relay())
	for i := range monitors {
		fmt.Fprintf(&file, "  - {name: m%d, http: '%s/m%d'}\n", i, d.target.url, i)
	}
	d.running = newInstance(t, file.String())
	d.Disk = mountDisk(t, filepath.Join(d.dir, "disk"))
	d.start("--data", d.data())
	d.ready()
	d.checked(patience)
	return d
}

// data is the data directory.
func (d *faultyDisk) data() string {
	if d.Disk == nil {
		return filepath.Join(d.dir, "vedette-data")
	}
	return filepath.Join(d.Dir, "data")
}

// do fails the test if a step fails.
func (d *faultyDisk) do(step func() error) {
	d.t.Helper()
	if err := step(); err != nil {
		d.t.Fatal(err)
	}
}

// checked waits until the target was asked again, and returns how long that took.
func (d *faultyDisk) checked(limit time.Duration) time.Duration {
	d.t.Helper()
	began, before := time.Now(), d.target.count()
	eventually(d.t, "a check", func() bool { return d.target.count() > before })
	if took := time.Since(began); took > limit {
		d.t.Errorf("got the first check after %s, want it within %s", took, limit)
	}
	return time.Since(began).Round(10 * time.Millisecond)
}

// noticed waits until the process is unready for a reason, and checks that the
// commands say so.
func (d *faultyDisk) noticed(reason job.ProcessConditionReason, detail string) {
	d.t.Helper()
	began := time.Now()
	eventually(d.t, "the fault in /readyz", func() bool { return d.condition(job.ProcessStorage).Reason == reason })
	if c := d.condition(job.ProcessStorage); !strings.Contains(c.Detail, detail) {
		d.t.Errorf("got detail %q, want %q in it", c.Detail, detail)
	}
	d.t.Logf("/readyz shows %s after %s", reason, time.Since(began).Round(10*time.Millisecond))
}

// condition returns a condition in /readyz.
func (d *faultyDisk) condition(name job.ProcessConditionName) job.ProcessCondition {
	body, _ := d.get("/readyz")
	var answer struct{ Conditions []job.ProcessCondition }
	if json.Unmarshal([]byte(body), &answer) != nil {
		return job.ProcessCondition{}
	}
	for _, c := range answer.Conditions {
		if c.Name == name {
			return c
		}
	}
	return job.ProcessCondition{}
}

// commandsShow checks that doctor, status and ps show the fault, the first two with
// exit code 1.
func (d *faultyDisk) commandsShow(detail, advice string) {
	d.t.Helper()
	data := []string{"--data", d.data()}
	d.doctorShows(detail, advice)
	eventually(d.t, "a status with "+detail, func() bool {
		output, code := d.vedette(append([]string{"status"}, data...)...)
		return code == cli.ExitFound && strings.Contains(output, "VEDETTE: storage of process") && strings.Contains(output, detail)
	})
	eventually(d.t, "a list of processes with "+detail, func() bool {
		output, _ := d.vedette(append([]string{"ps"}, data...)...)
		return strings.Contains(output, "storage has failed") && strings.Contains(output, detail)
	})
}

func (d *faultyDisk) doctorShows(detail, advice string) {
	d.t.Helper()
	eventually(d.t, "a finding with "+detail+" and "+advice, func() bool {
		output, code := d.vedette("doctor", "--json", "--data", d.data())
		var said struct{ Findings []doctor.Finding }
		return json.Unmarshal([]byte(output), &said) == nil && code == cli.ExitFound && slices.ContainsFunc(said.Findings, func(f doctor.Finding) bool {
			return f.Kind == doctor.Fault && strings.Contains(f.Found, detail) && strings.Contains(f.Advice, advice)
		})
	})
}

// heard counts the mails to the operators about the storage.
func (d *faultyDisk) heard() (began, ended int) {
	for _, subject := range d.box.Subjects("ops@example.org") {
		switch {
		case strings.HasPrefix(subject, "[VEDETTE] fault: storage"):
			began++
		case strings.HasPrefix(subject, "[VEDETTE] fault ended: storage"):
			ended++
		}
	}
	return began, ended
}

// heardOnce waits until the operators know the end, and checks that they heard
// everything once.
func (d *faultyDisk) heardOnce(times int) {
	d.t.Helper()
	eventually(d.t, "mails about the beginning and the end", func() bool {
		began, ended := d.heard()
		return began >= times && ended >= times
	})
	if began, ended := d.heard(); began != times || ended != times {
		d.t.Errorf("got %d mails about the beginning and %d about the end, want %d each", began, ended, times)
	}
}

// enqueueUntil enqueues mails until the returned function is called, which returns
// the Message-IDs of those that were acknowledged.
func (d *faultyDisk) enqueueUntil() (stop func() []string) {
	d.t.Helper()
	url, err := broker.FindURL(d.data())
	if err != nil {
		d.t.Fatal(err)
	}
	client := clientAt(d.t, url)
	ctx, cancel := context.WithCancel(d.t.Context())
	var acknowledged []string
	var group sync.WaitGroup
	group.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			limited, done := context.WithTimeout(ctx, 300*time.Millisecond)
			id, err := client.EnqueueMail(limited, job.Mail{ID: fmt.Sprintf("load%d", n), To: "load@example.org", Subject: "s", Text: "t"})
			done()
			if err == nil {
				acknowledged = append(acknowledged, "<"+id+"@example.org>")
			}
			select {
			case <-ctx.Done():
			case <-time.After(60 * time.Millisecond):
			}
		}
	})
	return func() []string {
		cancel()
		group.Wait()
		return acknowledged
	}
}

// arrived checks that all acknowledged mails arrive, each once.
func (d *faultyDisk) arrived(acknowledged []string) {
	d.t.Helper()
	missing := 0
	eventually(d.t, "every mail that was acknowledged", func() bool {
		times, _ := d.box.Arrivals()
		missing = 0
		for _, id := range acknowledged {
			if times[id] == 0 {
				missing++
			}
		}
		return missing == 0
	})
	times, _ := d.box.Arrivals()
	doubled := 0
	for _, n := range times {
		if n > 1 {
			doubled++
		}
	}
	d.t.Logf("%d mails were acknowledged, %d arrived, %d twice", len(acknowledged), len(times), doubled)
	if doubled > 0 {
		d.t.Errorf("got %d mails twice, want none", doubled)
	}
}

// A disk that was full leaves the NATS server refusing messages until it is
// started again. That happens inside the process: checks go on within seconds,
// nothing that was acknowledged is lost or done twice, and the operators hear of
// the beginning and the end, once each.
func TestFullDiskIsNoticedReportedAndHealed(t *testing.T) {
	t.Parallel()
	d := newFaultyDisk(t, *diskMonitors)
	stop := d.enqueueUntil()
	for i := range *diskTimes {
		d.do(d.Fill)
		full := time.After(*diskFull)
		d.noticed(job.FaultDiskFull, "is full")
		if i == 0 {
			eventually(t, "a mail while the disk is full", func() bool { began, _ := d.heard(); return began == 1 })
			d.commandsShow("is full", "free space")
		}
		<-full
		d.do(d.Free)
		t.Logf("first check %s after there was room", d.checked(healTime))
		d.ready()
	}
	d.heardOnce(1)
	d.arrived(stop())
	d.stop()
}
