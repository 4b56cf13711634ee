package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
)

// everyChild is the supervision tree in a running process.
const everyChild = "notices faults storage clock presence status-page pings status-feed changes workers " +
	"workers/maintain workers/maintain/operators workers/maintain/children workers/maintain/children/processes workers/maintain/children/stages workers/maintain/children/saturation workers/maintain/children/stranded workers/maintain/children/maintain-notices " +
	"workers/maintain/children/maintain-dead-letters workers/maintain/children/maintain-digest workers/maintain/children/maintain-rescue " +
	"workers/mail workers/mail/mailer workers/mail/children workers/mail/children/mail-alert workers/mail/children/mail-adhoc workers/mail/children/mail-operator workers/mail/children/call-mail " +
	"workers/notify workers/notify/recipients workers/notify/children workers/notify/children/notify workers/notify/children/notify-flush workers/notify/children/notify-sweep " +
	"workers/evaluate workers/evaluate/mirror workers/evaluate/children workers/evaluate/children/evaluate workers/evaluate/children/evaluate-recheck " +
	"workers/check workers/check/results workers/check/children workers/check/children/check-default " +
	"workers/check/children/adhoc-default workers/check/children/call-check-default scheduler progress last-word reload watchdog"

func TestPsShowsEveryChildAndSilentProcesses(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	file := "operators: day\n" + watching(x, box)
	first := newInstance(t, file)
	if output, code := first.vedette("ps"); code != cli.ExitFailed || !strings.Contains(output, "hint: ") {
		t.Errorf("got %d %s, want that no instance runs, with a hint", code, output)
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
		want := everyChild
		if r == second { // the last word is about the server inside the process
			want = strings.Replace(want, " last-word", "", 1)
		}
		if got := strings.Join(parts, " "); got != want {
			t.Errorf("got children\n%s\nwant\n%s", got, want)
		}
	}
	output, code = first.vedette("ps", "--tree")
	for _, part := range []string{
		"├── workers", "one_for_one", "│   └── check ", "rest_for_one", "│       └── children ", "dynamic", "│           ├── check-default ", "0/256", "└── watchdog",
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
	if output, code := first.vedette("ps", "--tree", "--json"); code != cli.ExitUsage {
		t.Errorf("got %d %s, want a refusal of both at once", code, output)
	}

	// A process that hangs keeps its lease for a while, and becomes silent.
	if err := second.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	output, code = first.vedette("ps", "--wait", "300ms")
	if code != cli.ExitFound || !strings.Contains(output, "silent") || !strings.Contains(output, "holds a lease and does not answer") {
		t.Errorf("got %d %s, want a silent process", code, output)
	}
	second.kill()
	eventually(t, "a mail about the process that is gone", func() bool {
		return box.Holds("[VEDETTE] process gone: process ", " has been silent since ", fmt.Sprintf("pid %d on ", second.cmd.Process.Pid), "To see the processes:  vedette ps")
	})
	output, code = first.vedette("ps")
	if code != 0 || strings.Contains(output, "silent") {
		t.Errorf("got %d %s, want one process", code, output)
	}
	first.stop()
	if box.Count("ops@example.org", "[DOWN]") > 0 {
		t.Error("got a DOWN mail, want none: no monitor was down")
	}
}

func TestProcessThatStopsCleanlyIsNotMissed(t *testing.T) {
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
