package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
)

// several returns a file with four monitors; operators get mails.
func several(x *target, box *inbox) string {
	text := fmt.Sprintf(`
operators: ops
recipients: {ops: ops@example.org}
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 800ms, failure_threshold: 1, notify: ops}
monitors:
`, box.Relay())
	for n := 1; n <= 4; n++ {
		text += fmt.Sprintf("  - {name: m%d, http: %q}\n", n, x.url)
	}
	return text
}

// unapplied returns the reason in /readyz why the file is not applied, or "".
func (r *running) unapplied() job.ProcessConditionReason {
	body, _ := r.get("/readyz")
	var ready struct{ Conditions []job.ProcessCondition }
	if err := json.Unmarshal([]byte(body), &ready); err != nil {
		return "unreadable"
	}
	for _, c := range ready.Conditions {
		if c.Name == job.ProcessFile && !c.OK {
			return c.Reason
		}
	}
	return ""
}

func (r *running) hangUp() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) allUp() bool {
	for n := 1; n <= 4; n++ {
		if r.health(fmt.Sprint("m", n)) != "up" {
			return false
		}
	}
	return true
}

func TestFileThatIsEmptyForAMomentChangesNothing(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, several(x, box))
	whole := several(x, box)
	r.start()
	eventually(t, "four monitors that are up", r.allUp)
	for name, c := range map[string]struct {
		text   string
		reason job.ProcessConditionReason
		says   string
	}{
		"empty":             {"", job.FaultFileRemovals, "stored monitors are missing among the 0 found: "},
		"without monitors":  {strings.Split(whole, "  - {name: m1")[0], job.FaultFileRemovals, "stored monitors are missing among the 0 found: "},
		"with one monitor":  {strings.Split(whole, "  - {name: m2")[0], job.FaultFileRemovals, "stored monitors are missing among the 1 found: "},
		"half of a line":    {strings.Split(whole, "name: m3")[0], job.FaultFileInvalid, "found broken YAML"},
		"output of a shell": {"bash: envsubst: command not found\n", job.FaultFileInvalid, "monitors.yaml:1:7: found broken YAML"},
	} {
		printed := len(r.output.String())
		r.write(c.text)
		r.hangUp()
		eventually(t, name+": a condition", func() bool { return r.unapplied() == c.reason })
		eventually(t, name+": its reason", func() bool {
			output := r.output.String()[printed:]
			return strings.Contains(output, c.says) && strings.Contains(output, "was not applied; nothing has changed")
		})
		if output, code := r.vedette("apply", r.file); code != cli.ExitUsage || !strings.Contains(output, c.says) {
			t.Errorf("%s: apply: got %d %s, want a refusal", name, code, output)
		}
		if !r.allUp() {
			t.Errorf("%s: got a change, want four monitors that are up", name)
		}
		// The program that writes the file is done now, and sends no second SIGHUP.
		next := strings.ReplaceAll("after "+name, " ", "-")
		r.write(whole + fmt.Sprintf("  - {name: %s, http: %q}\n", next, x.url))
		eventually(t, name+": the complete file", func() bool { return r.unapplied() == "" && r.health(next) == "up" })
	}
	if strings.Contains(r.output.String(), "starts again") {
		t.Error("got another start, want none")
	}
	r.stop()
}

func TestAllowedRemovalsEndTheRefusal(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, several(x, box))
	r.start()
	eventually(t, "four monitors that are up", r.allUp)
	r.write(strings.Split(several(x, box), "  - {name: m2")[0])
	r.hangUp()
	eventually(t, "a condition", func() bool { return r.unapplied() == job.FaultFileRemovals })
	if output, code := r.vedette("doctor"); code != cli.ExitFound || !strings.Contains(output, "monitors.yaml was not applied") || !strings.Contains(output, "--allow-removals") {
		t.Errorf("got %d %s, want a finding with the way out", code, output)
	}
	eventually(t, "a mail to the operators", func() bool { return box.Holds("monitors.yaml was not applied") })
	if output, code := r.vedette("apply", "--dry-run", r.file); code != cli.ExitUsage || !strings.Contains(output, "- m4") || !strings.Contains(output, "hint: ") {
		t.Errorf("got %d %s, want the removals and a refusal", code, output)
	}
	if output, code := r.vedette("apply", "--allow-removals", r.file); code != cli.ExitOK || !strings.Contains(output, "3 removed") {
		t.Errorf("got %d %s, want three monitors removed", code, output)
	}
	eventually(t, "the end of the condition", func() bool { return r.unapplied() == "" && r.health("m4") == "" && r.health("m1") == "up" })
	r.stop()
}

func TestStartWithAnEmptyFileWatchesWhatIsStored(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, several(x, box))
	r.start()
	eventually(t, "four monitors that are up", r.allUp)
	r.stop()
	r.write("")
	r.start()
	eventually(t, "four monitors and a condition", func() bool { return r.allUp() && r.unapplied() == job.FaultFileRemovals })
	if output := r.output.String(); !strings.Contains(output, "vedette watches 4 monitors stored before; "+r.file+" was not applied") {
		t.Errorf("got %s, want a banner that says what is watched", output)
	}
	// The complete file has a relay, which only a start reads.
	r.write(several(x, box))
	eventually(t, "the complete file", func() bool { return strings.Contains(r.output.String(), "vedette starts again, with all sections in") })
	eventually(t, "no condition", func() bool { return r.unapplied() == "" && r.allUp() })
	x.setIll(true)
	eventually(t, "a DOWN mail by the relay", func() bool { return strings.Contains(fmt.Sprint(box.Subjects("ops@example.org")), "DOWN") })
	r.stop()
	if got := strings.Count(r.output.String(), "stopped cleanly"); got != 2 {
		t.Errorf("got %d lines about a stop, want one for each", got)
	}
}

// Kubernetes replaces a mounted ConfigMap by a symbolic link to another directory.
func TestConfigMapIsSwapped(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, "")
	mount := filepath.Join(r.dir, "mount")
	version := 0
	swap := func(text string) {
		t.Helper()
		version++
		dir := fmt.Sprintf("..2026_%d", version)
		link := filepath.Join(mount, "..data_tmp")
		for _, err := range []error{
			os.MkdirAll(filepath.Join(mount, dir), 0o700),
			os.WriteFile(filepath.Join(mount, dir, "monitors.yaml"), []byte(text), 0o600),
			os.Symlink(dir, link), os.Rename(link, filepath.Join(mount, "..data")),
			os.RemoveAll(filepath.Join(mount, fmt.Sprintf("..2026_%d", version-1))),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	swap(several(x, box))
	r.file = filepath.Join(mount, "monitors.yaml")
	if err := os.Symlink("..data/monitors.yaml", r.file); err != nil {
		t.Fatal(err)
	}
	r.start()
	eventually(t, "four monitors that are up", r.allUp)
	swap("monitors: []\n")
	r.hangUp()
	eventually(t, "a condition", func() bool { return r.unapplied() == job.FaultFileRemovals })
	swap(several(x, box) + fmt.Sprintf("  - {name: m5, http: %q}\n", x.url))
	eventually(t, "the fifth monitor", func() bool { return r.health("m5") == "up" && r.allUp() && r.unapplied() == "" })
	r.stop()
}
