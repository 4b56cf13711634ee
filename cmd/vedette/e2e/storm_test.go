package e2e_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// door is a TCP address that can be closed and opened again.
type door struct {
	t        *testing.T
	address  string
	listener net.Listener
}

func newDoor(t *testing.T) *door {
	t.Helper()
	g := &door{t: t, address: freeAddress(t)}
	g.open()
	t.Cleanup(func() { _ = g.listener.Close() })
	return g
}

func (g *door) open() {
	g.t.Helper()
	eventually(g.t, "an address to listen on", func() bool {
		var err error
		g.listener, err = net.Listen("tcp", g.address)
		return err == nil
	})
	go func(l net.Listener) {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}(g.listener)
}

func (g *door) shut() { _ = g.listener.Close() }

// hosts returns monitors for one address, each with more fields.
func hosts(n int, address, more string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  - {name: host-%d, tcp: %q%s}\n", i, address, more)
	}
	return b.String()
}

func lastHost() string { return fmt.Sprintf("host-%d", stormSize-1) }

// storm returns a file with many monitors behind one door. On an idle machine all
// are down within six seconds, and their mails wait twice as long.
func storm(g *door, box *inbox, router, more string) string {
	return fmt.Sprintf(`
recipients: {day: ops@example.org, night: night@example.org}
notifications: {group_wait: 12s, group_interval: 6s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 4s, timeout: 2s, failure_threshold: 2, success_threshold: 1, retry_interval: 1s, notify: [day, night]}
monitors:
%s%s`, box.Relay(), router, hosts(stormSize, g.address, more))
}

func TestThousandMonitorsBehindOneParentAreOneMail(t *testing.T) {
	t.Parallel()
	g, box := newDoor(t), newInbox(t)
	r := newInstance(t, storm(g, box, fmt.Sprintf("  - {name: router, tcp: %q}\n", g.address), ", depends_on: router"))
	r.start()
	r.ready()
	eventually(t, "an up host", func() bool { return r.health(lastHost()) == "up" })
	g.shut()
	eventually(t, "a mail", func() bool {
		return len(box.Subjects("ops@example.org")) > 0 && len(box.Subjects("night@example.org")) > 0
	})
	g.open()
	eventually(t, "a mail about the end", func() bool {
		return len(box.Subjects("ops@example.org")) > 1 && len(box.Subjects("night@example.org")) > 1
	})
	r.stop()
	for _, address := range []string{"ops@example.org", "night@example.org"} {
		got := box.Subjects(address)
		if len(got) != 2 || !strings.HasPrefix(got[0], "[DOWN ×") || !strings.Contains(got[0], "] router: connect refused, and ") || !strings.HasPrefix(got[1], "[UP") {
			t.Errorf("%s: got mails %q, want one DOWN mail for the router with all monitors behind it, and one UP mail", address, got)
		}
	}
}

func TestThousandMonitorsWithoutParentAreOneDigestPerRecipient(t *testing.T) {
	t.Parallel()
	g, box := newDoor(t), newInbox(t)
	r := newInstance(t, storm(g, box, "", ""))
	r.start()
	r.ready()
	eventually(t, "an up host", func() bool { return r.health(lastHost()) == "up" })
	g.shut()
	eventually(t, "a mail for both", func() bool {
		return len(box.Subjects("ops@example.org")) > 0 && len(box.Subjects("night@example.org")) > 0
	})
	for _, address := range []string{"ops@example.org", "night@example.org"} {
		if got := box.Subjects(address); len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprintf("[DOWN ×%d] host-", stormSize)) {
			t.Errorf("%s: got mails %q, want one digest", address, got)
		}
	}

	// A restart while all are down sends no mail.
	r.stop()
	r.start()
	r.ready()
	eventually(t, "a down host", func() bool { return r.health(lastHost()) == "down" })
	eventually(t, "the notification log swept", func() bool {
		output, _ := r.vedette("explain", "host-3")
		return strings.Contains(output, "notified at")
	})
	<-time.After(18 * time.Second) // longer than the first sweep and the group wait: no mail may come
	r.stop()
	for _, address := range []string{"ops@example.org", "night@example.org"} {
		if got := box.Subjects(address); len(got) != 1 {
			t.Errorf("%s: got mails %q after a restart, want no more", address, got)
		}
	}
}

func TestTenFlapsAreAtMostThreeMails(t *testing.T) {
	t.Parallel()
	g, box := newDoor(t), newInbox(t)
	r := newInstance(t, fmt.Sprintf(`
recipients: {day: ops@example.org}
notifications: {group_wait: 1s, group_interval: 10s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 500ms, failure_threshold: 1, success_threshold: 1, notify: day}
monitors:
  - {name: flappy, tcp: %q}
`, box.Relay(), g.address))
	r.start()
	r.ready()
	eventually(t, "an up monitor", func() bool { return r.health("flappy") == "up" })
	for range 10 {
		g.shut()
		eventually(t, "it down", func() bool { return r.health("flappy") == "down" })
		g.open()
		eventually(t, "it up", func() bool { return r.health("flappy") == "up" })
	}
	eventually(t, "a mail about flapping", func() bool {
		return strings.Contains(strings.Join(box.Subjects("ops@example.org"), "\n"), "[FLAPPING] flappy")
	})
	eventually(t, "a mail about its end", func() bool {
		return strings.Contains(strings.Join(box.Subjects("ops@example.org"), "\n"), "[STABLE] flappy: up")
	})
	r.stop()
	if got := box.Subjects("ops@example.org"); len(got) > 3 {
		t.Errorf("got mails %q, want three at most", got)
	}
}

func TestMailAfterRelayOutageHasTheCurrentState(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, strings.Replace(watching(x, box), "notify: [day, night]", "notify: night", 1))
	r.start()
	r.ready()
	eventually(t, "an up website", func() bool { return r.health("website") == "up" })

	box.Refuse(true) // around both
	x.setIll(true)
	eventually(t, "a mail that waits", func() bool {
		output, _ := r.vedette("explain", "website")
		return strings.Contains(output, "not accepted by a relay yet: RCPT: 451 4.3.0 come back later (next attempt at ")
	})
	x.setIll(false)
	eventually(t, "another mail about both", func() bool {
		output, _ := r.vedette("explain", "website")
		return strings.Contains(output, ", with its end") && !strings.Contains(output, "notified at")
	})
	box.Refuse(false)
	eventually(t, "one mail for both", func() bool { return box.Count("night@example.org", "[UP]") == 1 })
	if got := box.Count("night@example.org", "[DOWN]"); got != 0 || !box.Holds("website was down for ", ", and is up again.") {
		t.Errorf("got %d DOWN mails in %q, want both in one", got, box.Subjects("night@example.org"))
	}

	box.Refuse(true) // around the beginning
	x.setIll(true)
	eventually(t, "it down", func() bool { return r.health("website") == "down" })
	box.Refuse(false)
	eventually(t, "the mail once the relay takes it", func() bool { return box.Count("night@example.org", "[DOWN]") == 1 })
	x.setIll(false)
	eventually(t, "a mail about the end", func() bool { return box.Count("night@example.org", "[UP]") == 2 })
	r.stop()
	if got := len(box.Subjects("night@example.org")); got != 3 {
		t.Errorf("got %q, want three mails in all", box.Subjects("night@example.org"))
	}
}

// natsURL returns the URL of the instance's server.
func (r *running) natsURL() string {
	r.t.Helper()
	output, code := r.vedette("env")
	if code != 0 {
		r.t.Fatalf("got %d %s", code, output)
	}
	return strings.TrimSpace(strings.TrimPrefix(output, "export NATS_URL="))
}
