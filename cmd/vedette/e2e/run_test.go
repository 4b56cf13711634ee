package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
)

// recipients returns the addresses that should get each mail once.
func recipients() []string {
	return []string{"ops@example.org", "boss@example.org", "night@example.org"}
}

func watching(x *target, box *inbox) string {
	return fmt.Sprintf(`
recipients:
  day: [ops@example.org, boss@example.org]
  night: night@example.org
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 800ms, failure_threshold: 2, success_threshold: 2, notify: [day, night]}
monitors:
  - {name: website, http: %q}
`, box.Relay(), x.url)
}

// allHave reports whether each recipient got a number of mails with a prefix.
func allHave(box *inbox, kind string) bool {
	for _, address := range recipients() {
		if box.Count(address, kind) == 0 {
			return false
		}
	}
	return true
}

// expectOneOfEach checks that each recipient got each mail once.
func expectOneOfEach(t *testing.T, box *inbox) {
	t.Helper()
	for _, address := range recipients() {
		for _, kind := range []string{"[DOWN]", "[UP]"} {
			if got := box.Count(address, kind); got != 1 {
				t.Errorf("%s: got %d mails %s, want 1", address, got, kind)
			}
		}
	}
}

// The program's promise: each recipient gets one mail for each transition, whatever
// happens to the process.
func TestOneMailForEachTransitionThroughTenKills(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, watching(x, box))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	killSometimes := func() {
		for range 5 {
			// The kill may come at any moment: that is the test.
			<-time.After(time.Duration(random.IntN(2500)) * time.Millisecond)
			r.kill()
			r.start()
		}
	}
	r.start()
	r.ready()
	eventually(t, "an up website", func() bool { return r.health("website") == "up" })
	x.setIll(true)
	killSometimes()
	eventually(t, "a DOWN mail for each recipient", func() bool { return allHave(box, "[DOWN]") })
	x.setIll(false)
	killSometimes()
	eventually(t, "an UP mail for each recipient", func() bool { return allHave(box, "[UP]") })
	r.ready()
	r.stop()

	// After another restart nothing is announced again.
	r.start()
	r.ready()
	eventually(t, "an up website after the restart", func() bool { return r.health("website") == "up" })
	r.stop()
	expectOneOfEach(t, box)
}

func TestSIGHUPAndApplyReadTheFileAgain(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, watching(x, box))
	r.start()
	r.ready()

	more := watching(x, box) + fmt.Sprintf("  - {name: second, http: %q}\n", x.url)
	r.write(more)
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an up second monitor", func() bool { return r.health("second") == "up" })

	r.write("workers: {adhoc: 7}\n" + more)
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a changed limit", func() bool { return r.limit("adhoc-default") == 7 })
	r.write("workers: {adhoc: 7000}\n" + more)
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a warning", func() bool { return strings.Contains(r.output.String(), "it takes effect at the next start") })

	r.write(more + "  - {name: third, htp: x}\n")
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a refusal", func() bool { return strings.Contains(r.output.String(), "was not applied") })
	if got := r.health("second"); got != "up" {
		t.Errorf("got %q after a file with a mistake, want no change", got)
	}

	file := filepath.Join(r.dir, "other.yaml")
	if err := os.WriteFile(file, []byte(watching(x, box)), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, code := r.vedette("apply", "--dry-run", file); code != 0 || !strings.Contains(output, "- second") || !strings.Contains(output, "would apply") {
		t.Errorf("got %d %s, want the monitors that would be removed", code, output)
	}
	if output, code := r.vedette("apply", file); code != 0 || !strings.Contains(output, "1 removed, 4 unchanged") {
		t.Errorf("got %d %s, want one removed", code, output)
	}
	eventually(t, "no second monitor", func() bool { return r.health("second") == "" })
	if got := r.health("website"); got != "up" {
		t.Errorf("got %q, want the other monitor undisturbed", got)
	}
	if output, code := r.vedette("env"); code != 0 || !strings.HasPrefix(output, "export NATS_URL=nats://vedette:") {
		t.Errorf("got %d %s, want the address", code, output)
	}
	r.stop()
}

func TestMonitorsFileIsReadAtStartAndAtSIGHUP(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, watching(x, box)+"monitors_file: lines.ndjson\n")
	lines := filepath.Join(filepath.Dir(r.file), "lines.ndjson")
	write := func(names ...string) {
		t.Helper()
		var text strings.Builder
		for _, name := range names {
			fmt.Fprintf(&text, "{\"name\": %q, \"http\": %q}\n", name, x.url)
		}
		if err := os.WriteFile(lines, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("line-1", "line-2")
	r.start()
	r.ready()
	eventually(t, "an up monitor in a line", func() bool { return r.health("line-2") == "up" })
	if output, code := r.vedette("validate", r.file); code != 0 || !strings.Contains(output, "3 monitors") {
		t.Errorf("got %d %s, want the monitors in both files", code, output)
	}

	write("line-1", "line-3")
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another line", func() bool { return r.health("line-3") == "up" && r.health("line-2") == "" })

	write("line-1", "website")
	if output, code := r.vedette("apply", r.file); code != 2 || !strings.Contains(output, "lines.ndjson:2:10: name: found \"website\" again") {
		t.Errorf("got %d %s, want the duplicate name", code, output)
	}
	r.stop()
}

func TestRemovedMonitorThatIsDownIsOneMail(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	x.setIll(true)
	r := newInstance(t, watching(x, box))
	r.start()
	eventually(t, "a DOWN mail for each recipient", func() bool { return allHave(box, "[DOWN]") })
	r.write(strings.Split(watching(x, box), "monitors:")[0] + "monitors: []\n")
	if output, code := r.vedette("apply", "--allow-removals", r.file); code != cli.ExitOK || !strings.Contains(output, "- website") {
		t.Fatalf("got %d %s, want the monitor removed", code, output)
	}
	eventually(t, "a REMOVED mail for each recipient", func() bool { return allHave(box, "[REMOVED]") })
	r.stop()
}

func TestSecondInstanceWithTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	r := newInstance(t, "monitors: []\n")
	r.start()
	r.ready()
	output, code := r.vedette("run", "--http", freeAddress(t), "--nats-listen", "127.0.0.1:0", r.file)
	if code != cli.ExitFailed || !strings.Contains(output, "in use by another process") || !strings.Contains(output, "hint: ") {
		t.Errorf("got %d %s, want a refusal with a hint", code, output)
	}
	output, code = r.vedette("run", "--http", r.http, "--data", "other", r.file)
	if code != cli.ExitFailed || !strings.Contains(output, "address already in use") || !strings.Contains(output, "--http") {
		t.Errorf("got %d %s, want a taken address with a hint", code, output)
	}
	r.stop()
}

func TestProcessesShareTheWorkOfOneServer(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	first := newInstance(t, watching(x, box))
	first.start()
	first.ready()
	output, code := first.vedette("env")
	if code != 0 {
		t.Fatalf("got %d %s", code, output)
	}
	url := strings.TrimSpace(strings.TrimPrefix(output, "export NATS_URL="))
	second := newInstance(t, watching(x, box))
	second.start("--nats", url)
	second.ready()
	x.setIll(true)
	eventually(t, "a DOWN mail for each recipient", func() bool { return allHave(box, "[DOWN]") })
	eventually(t, "the change printed by both", func() bool {
		return strings.Contains(first.output.String(), "DOWN    website") && strings.Contains(second.output.String(), "DOWN    website")
	})
	second.stop()
	x.setIll(false)
	eventually(t, "an UP mail for each recipient from the remaining process", func() bool { return allHave(box, "[UP]") })
	first.stop()
	expectOneOfEach(t, box)
}

func TestJobsFromOtherProgramsAreDone(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, watching(x, box))
	r.start()
	r.ready()
	output, _ := r.vedette("env")
	client := natsClient(t, strings.TrimSpace(strings.TrimPrefix(output, "export NATS_URL=")))
	client.publish("vedette.adhoc.default.try1", `{"http": "`+x.url+`", "expect": ["status == 200"]}`)
	eventually(t, "an outcome under the id", func() bool {
		return strings.Contains(client.read("VEDETTE_OUTCOME", "check.try1"), `"health":"up"`)
	})
	client.publish("vedette.mail.adhoc.hello1", `{"to": "you@example.org", "subject": "[HELLO] from a program", "text": "Hello."}`)
	eventually(t, "a mail", func() bool { return box.Count("you@example.org", "[HELLO]") == 1 })
	client.publish("vedette.mail.adhoc.bad1", `{"too": "you@example.org"}`)
	eventually(t, "a dead letter, byte for byte", func() bool { return client.dead() == `malformed {"too": "you@example.org"}` })
	r.stop()
}

func TestProcessSurvivesServerOutageAndStopsCleanly(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	first := newInstance(t, watching(x, box))
	first.start()
	first.ready()
	output, _ := first.vedette("env")
	url := strings.TrimSpace(strings.TrimPrefix(output, "export NATS_URL="))
	second := newInstance(t, watching(x, box))
	second.start("--nats", url)
	second.ready()
	unready := func() bool {
		body, code := second.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "not connected")
	}

	first.kill()
	eventually(t, "a process that reports its lost server", unready)
	first.start("--nats-listen", strings.Split(url, "@")[1])
	second.ready()
	x.setIll(true)
	eventually(t, "a DOWN mail for each recipient", func() bool { return allHave(box, "[DOWN]") })
	parts, _ := second.vedette("ps", "--nats", url)
	for line := range strings.Lines(parts) {
		if strings.HasSuffix(strings.Fields(line)[0], fmt.Sprint("-", second.cmd.Process.Pid)) && strings.Fields(line)[5] != "1" {
			t.Errorf("got %q, want no child restarted during the server outage", line)
		}
	}
	if !strings.Contains(parts, fmt.Sprint("-", second.cmd.Process.Pid)) {
		t.Errorf("got %s, want the second process in it", parts)
	}

	first.kill()
	eventually(t, "a process that reports its lost server again", unready)
	second.stop()
}
