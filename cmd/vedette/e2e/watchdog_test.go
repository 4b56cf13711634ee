package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// watchEachOther prepares two instances that watch each other. Each has an inbox and
// a target of its own.
func watchEachOther(t *testing.T) (a, b *running, boxA, boxB *inbox, targetA *target) {
	t.Helper()
	const fromA, fromB = "pings-from-a-0123", "pings-from-b-0123"
	boxA, boxB, targetA = newInbox(t), newInbox(t), newTarget(t)
	a, b = newInstance(t, ""), newInstance(t, "")
	file := func(box *inbox, other *running, sends, receives, name string) string {
		return fmt.Sprintf(`
operators: day
recipients: {day: ops@example.org}
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 1, notify: day}
watchdog: [{url: "http://%s/ping/%s", interval: 1s}]
monitors:
  - {name: %s, heartbeat: {token: %s, interval: 2s, grace: 2s}}
  - {name: website, http: %q}
`, box.Relay(), other.http, sends, name, receives, targetA.url)
	}
	a.write(file(boxA, b, fromA, fromB, "vedette-b"))
	b.write(file(boxB, a, fromB, fromA, "vedette-a"))
	a.start()
	b.start()
	a.ready()
	b.ready()
	pinged := func(r *running, name string) func() bool {
		return func() bool {
			text, _ := r.vedette("explain", "--json", name)
			return strings.Contains(text, `"last_ping"`) && r.health(name) == "up"
		}
	}
	eventually(t, "a sees b", pinged(a, "vedette-b"))
	eventually(t, "b sees a", pinged(b, "vedette-a"))
	return a, b, boxA, boxB, targetA
}

// condition returns the line of a failing condition in the status, if there is one.
func (r *running) failing(name string) string {
	text, _ := r.vedette("status")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "VEDETTE") && strings.Contains(line, name) {
			return line
		}
	}
	return ""
}

func TestTwoInstancesWatchEachOther(t *testing.T) {
	t.Parallel()
	a, b, boxA, _, _ := watchEachOther(t)
	b.kill()
	killed := time.Now()
	eventually(t, "a mail about the one that is gone", func() bool { return boxA.Holds("[DOWN] vedette-b", "silent for ") })
	t.Logf("mail %s after the kill", time.Since(killed).Round(100*time.Millisecond))

	// The one that is left says that it cannot ping the other, and works on.
	eventually(t, "the condition", func() bool {
		return strings.Contains(a.failing("watchdog"), "watchdog 1 does not accept pings: "+b.http+": ")
	})
	if body, code := a.get("/readyz"); code != http.StatusOK || !strings.Contains(body, "ping_failed") {
		t.Errorf("got %d %s, want it ready, with the reason", code, body)
	}
	if text, code := a.vedette("doctor"); code != 1 || !strings.Contains(text, "watchdog of process") || !strings.Contains(text, b.http) || strings.Contains(text, "pings-from-a") {
		t.Errorf("got %d %s, want a finding about the watchdog, without its token", code, text)
	}
	t.Logf("explained %s after the kill", time.Since(killed).Round(100*time.Millisecond))
	b.start()
	b.ready()
	eventually(t, "the other one back", func() bool { return a.health("vedette-b") == "up" })
	eventually(t, "the condition met", func() bool { return a.failing("watchdog") == "" })
	eventually(t, "the UP mail", func() bool { return boxA.Count("ops@example.org", "[UP]") >= 1 })
	t.Logf("all well %s after the kill", time.Since(killed).Round(100*time.Millisecond))
	a.stop()
	b.stop()
}

// What an instance knows about itself reaches people on a way that does not depend on
// the fault: without its relay, the other instance mails what is wrong.
func TestInstanceWithoutItsRelayIsReportedByTheOther(t *testing.T) {
	t.Parallel()
	a, b, boxA, boxB, targetA := watchEachOther(t)
	boxA.Close()
	targetA.setIll(true) // b mails too, and can
	broken := time.Now()
	eventually(t, "a mail from the other about the relay", func() bool {
		return boxB.Holds("[DOWN] vedette-a", "the job failed ", "mail of process ", boxA.Address)
	})
	t.Logf("mail %s after the relay was gone", time.Since(broken).Round(100*time.Millisecond))
	if got := a.health("vedette-b"); got != "up" {
		t.Errorf("got the other one %q, want it up: its relay works", got)
	}
	boxA.Listen(t) // the target stays down: its UP would be in the same mail
	eventually(t, "the relay back, for the other too", func() bool { return b.health("vedette-a") == "up" })
	eventually(t, "the UP mail", func() bool {
		return slices.ContainsFunc(boxB.Subjects("ops@example.org"), func(subject string) bool {
			return strings.HasPrefix(subject, "[UP") && strings.Contains(subject, "vedette-a") // perhaps together with the website
		})
	})
	t.Logf("all well %s after the relay was gone", time.Since(broken).Round(100*time.Millisecond))
	a.stop()
	b.stop()
}
