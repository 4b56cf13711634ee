package e2e_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOperatorsAreNotifiedWhenAllCheckWorkersHang(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	file := fmt.Sprintf(`
recipients: {day: ops@example.org, owner: owner@example.org}
operators: day
notifications: {group_wait: 2s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 5s, timeout: 2s, failure_threshold: 1, notify: owner}
monitors:
  - {name: website, http: %q}
  - {name: other, http: %q}
`, box.Relay(), x.url, x.url)
	first := newInstance(t, file)
	first.start("--stages", "schedule,maintain,mail,notify,evaluate")
	first.ready()
	worker := newInstance(t, file)
	worker.start("--nats", first.natsURL(), "--stages", "check")
	worker.ready()
	eventually(t, "an up website", func() bool { return first.health("website") == "up" })
	stopped := time.Now()
	if err := worker.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an alert about missing data", func() bool { return strings.Contains(strings.Join(box.Subjects("ops@example.org"), "\n"), "[NO DATA") })
	t.Logf("no data alert %s after the workers hung", time.Since(stopped).Round(time.Second))
	eventually(t, "why", func() bool { output, _ := first.vedette("status"); return strings.Contains(output, "NO DATA  website") })
	if err := worker.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "data again", func() bool {
		output, code := first.vedette("status")
		return code == 0 && !strings.Contains(output, "NO DATA")
	})
	worker.stop()
	first.stop()
	if got := box.Subjects("owner@example.org"); len(got) > 0 {
		t.Errorf("got %q for the owner, want nothing: no monitor was down", got)
	}
}

func TestServerThatWasAwayIsTheReasonOfWhatWasMissed(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	file := "operators: night\n" + watching(x, box)
	server := newInstance(t, file)
	server.start("--stages", "maintain")
	server.ready()
	url := server.natsURL()
	worker := newInstance(t, file)
	worker.start("--nats", url, "--stages", "schedule,check,evaluate,notify,mail")
	worker.ready()
	eventually(t, "an up website", func() bool { return worker.health("website") == "up" })
	server.kill()
	eventually(t, "a lost server", func() bool { _, code := worker.get("/readyz"); return code != 200 })
	<-time.After(4 * time.Second) // the outage
	server.start("--nats-listen", strings.Split(url, "@")[1], "--stages", "maintain")
	eventually(t, "a word to the operators about what was missed, and why", func() bool {
		return box.Holds("nothing was checked from ", "the NATS server was not reachable")
	})
	eventually(t, "an up website again", func() bool { return worker.health("website") == "up" })
	worker.stop()
	server.stop()
	if got := box.Count("night@example.org", "[DOWN]"); got > 0 {
		t.Errorf("got %d DOWN mails, want none", got)
	}
}
