package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"vedette/pipeline/job"
)

// everyPart is what a running process consists of, in its order.
const everyPart = "alerts presence page board changes workers " +
	"workers/operate workers/operate/operators workers/operate/parts workers/operate/parts/processes workers/operate/parts/roles workers/operate/parts/saturation workers/operate/parts/operate-notices " +
	"workers/operate/parts/operate-letters workers/operate/parts/operate-digest workers/operate/parts/operate-rescue " +
	"workers/mail workers/mail/post workers/mail/parts workers/mail/parts/mail-alert workers/mail/parts/mail-request workers/mail/parts/mail-operator workers/mail/parts/call-mail " +
	"workers/notify workers/notify/recipients workers/notify/parts workers/notify/parts/notify workers/notify/parts/notify-flush workers/notify/parts/notify-sweep " +
	"workers/evaluate workers/evaluate/mirror workers/evaluate/parts workers/evaluate/parts/evaluate workers/evaluate/parts/evaluate-recheck " +
	"workers/check workers/check/results workers/check/parts workers/check/parts/check-default " +
	"workers/check/parts/request-default workers/check/parts/call-check-default scheduler reload"

func TestPsShowsEveryPartOfEveryProcessAndThoseThatFallSilent(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	file := "operators: day\n" + watching(x, box)
	first := newInstance(t, file)
	if output, code := first.vedette("ps"); code != exitFailed || !strings.Contains(output, "hint: ") {
		t.Errorf("got %d %s, want that nothing runs, with a hint", code, output)
	}
	first.start()
	first.ready()
	url, _ := first.vedette("env")
	second := newInstance(t, file)
	second.start("--nats", strings.TrimSpace(strings.TrimPrefix(url, "export NATS_URL=")))
	second.ready()

	output, code := first.vedette("ps")
	if code != 0 {
		t.Fatalf("got %d %s, want 0", code, output)
	}
	for _, r := range []*running{first, second} {
		var parts []string
		for line := range strings.Lines(output) {
			fields := strings.Fields(line)
			if strings.HasSuffix(fields[0], fmt.Sprint("-", r.cmd.Process.Pid)) {
				parts = append(parts, fields[2])
				if fields[3] != "running" || fields[5] != "1" || fields[6] != "0" {
					t.Errorf("got %q, want it running, for the first time", line)
				}
			}
		}
		if got := strings.Join(parts, " "); got != everyPart {
			t.Errorf("got parts\n%s\nwant\n%s", got, everyPart)
		}
	}
	output, code = first.vedette("ps", "--tree")
	for _, part := range []string{
		"├── workers", "one_for_one", "│   └── check ", "rest_for_one", "│       └── parts ", "dynamic", "│           ├── check-default ", "0/256", "└── reload",
	} {
		if code != 0 || !strings.Contains(output, part) {
			t.Errorf("got %d %s, want %q in it", code, output, part)
		}
	}
	output, _ = first.vedette("ps", "--json")
	var all struct{ Processes []job.ProcessStatus }
	if err := json.Unmarshal([]byte(output), &all); err != nil || len(all.Processes) != 2 {
		t.Errorf("got %d processes, %v, want two", len(all.Processes), err)
	}
	if output, code := first.vedette("ps", "--tree", "--json"); code != exitInvalid {
		t.Errorf("got %d %s, want a refusal of both at once", code, output)
	}

	// One that hangs holds its lease for a while, and is silent.
	if err := second.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	output, code = first.vedette("ps", "--wait", "300ms")
	if code != exitFailed || !strings.Contains(output, "silent") || !strings.Contains(output, "holds a lease and does not answer") {
		t.Errorf("got %d %s, want a silent process", code, output)
	}
	second.kill()
	eventually(t, "a mail about the process that is gone", func() bool {
		return box.holds("[VEDETTE] process gone: process ", " has been silent since ", fmt.Sprintf("pid %d on ", second.cmd.Process.Pid), "To see what runs:  vedette ps")
	})
	output, code = first.vedette("ps")
	if code != 0 || strings.Contains(output, "silent") {
		t.Errorf("got %d %s, want one process", code, output)
	}
	first.stop()
	if box.count("ops@example.org", "[DOWN]") > 0 {
		t.Error("got a DOWN mail, want none: no monitor was down")
	}
}

func TestProcessThatStopsAsItShouldIsNotMissed(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	first := newInstance(t, watching(x, box))
	first.start()
	first.ready()
	url, _ := first.vedette("env")
	second := newInstance(t, watching(x, box))
	second.start("--nats", strings.TrimSpace(strings.TrimPrefix(url, "export NATS_URL=")))
	second.ready()
	second.stop()
	output, code := first.vedette("ps")
	if code != 0 || strings.Contains(output, fmt.Sprint("-", second.cmd.Process.Pid)) {
		t.Errorf("got %d %s, want no trace of the second process", code, output)
	}
	first.stop()
}

func TestProcessesAreShownForPeople(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	process := job.Process{Name: "host-1", Host: "host", PID: 1, Version: "1.0.0", Started: now.Add(-50 * time.Hour)}
	answers := []job.ProcessStatus{{Process: process, Children: []job.ChildStatus{
		{
			Name: "workers", State: "running", Since: now.Add(-3*time.Hour - 5*time.Minute), Incarnation: 1, Strategy: "one_for_one",
			Children: []job.ChildStatus{{
				Name: "mail", State: "parked", Since: now.Add(-90 * time.Second), Incarnation: 7, Restarts: 6, Jobs: &job.ChildJobs{Running: 2, Limit: 8},
				LastFailure: &job.ChildFailure{At: now.Add(-90 * time.Second), Class: "panic", Error: "service\npanicked: " + strings.Repeat("ä", 100)},
			}},
		},
		{Name: "page", State: "running", Since: now.Add(-7 * time.Second), Incarnation: 1},
	}}}
	silent := []job.Process{{Name: "host-2", Host: "other", PID: 2}}
	failure := "panic 1m30s ago: service panicked: " + strings.Repeat("ä", 61) + "…"
	for name, c := range map[string]struct {
		show func(to *bytes.Buffer) error
		want string
	}{
		"flat": {func(to *bytes.Buffer) error { return showProcesses(to, answers, silent, now) }, `PROCESS  HOST   PART          STATE    UP     INCARNATION  RESTARTS  JOBS  LAST FAILURE
host-1   host   workers       running  3h5m   1            0
host-1   host   workers/mail  parked   1m30s  7            6         2/8   ` + failure + `
host-1   host   page          running  7s     1            0
host-2   other  -             silent   -      -            -         -     holds a lease and does not answer
`},
		"tree": {func(to *bytes.Buffer) error { return treeProcesses(to, answers, silent, now) }, `host-1  pid 1 on host, version 1.0.0, up 2d2h
├── workers   running  3h5m   one_for_one
│   └── mail  parked   1m30s  2/8          incarnation 7, restarts 6  ` + failure + `
└── page      running  7s
host-2  pid 2 on other: silent, it holds a lease and does not answer
`},
	} {
		var got bytes.Buffer
		if err := c.show(&got); err != nil || got.String() != c.want {
			t.Errorf("%s: got\n%s%v\nwant\n%s", name, got.String(), err, c.want)
		}
	}
	if err := showProcesses(writerFunc(func([]byte) (int, error) { return 0, errors.New("full") }), answers, silent, now); err == nil {
		t.Error("got nil for output that cannot be written, want an error")
	}
}
