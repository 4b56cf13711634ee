package e2e_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/inboxtest"
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

// hosts are monitors of one address, with more fields for each.
func hosts(n int, address, more string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  - {name: host-%d, tcp: %q%s}\n", i, address, more)
	}
	return b.String()
}

func lastHost() string { return fmt.Sprintf("host-%d", stormSize-1) }

// storm is a file of many monitors behind one door. All of them are down within
// six seconds on a machine that has nothing else to do, and their mails wait for
// twice that.
func storm(g *door, box *inboxtest.Inbox, router, more string) string {
	return fmt.Sprintf(`
recipients: {day: ops@example.org, night: night@example.org}
notifications: {group_wait: 12s, group_interval: 6s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 4s, timeout: 2s, failure_threshold: 2, success_threshold: 1, retry_interval: 1s, notify: [day, night]}
monitors:
%s%s`, box.Relay(), router, hosts(stormSize, g.address, more))
}

func TestThousandMonitorsBehindOneThatDiesAreOneMail(t *testing.T) {
	t.Parallel()
	g, box := newDoor(t), inboxtest.New(t)
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
			t.Errorf("%s: got mails %q, want one for the router with all that is behind it, and one for its end", address, got)
		}
	}
}

func TestThousandMonitorsAloneAreOneDigestForEachRecipient(t *testing.T) {
	t.Parallel()
	g, box := newDoor(t), inboxtest.New(t)
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
			t.Errorf("%s: got mails %q, want one digest of all", address, got)
		}
	}

	// A restart while all are down says nothing.
	r.stop()
	r.start()
	r.ready()
	eventually(t, "a down host", func() bool { return r.health(lastHost()) == "down" })
	eventually(t, "the ledger looked through", func() bool {
		output, _ := r.vedette("explain", "host-3")
		return strings.Contains(output, "notified at")
	})
	<-time.After(18 * time.Second) // more than the first sweep and the wait of a group take: nothing must come
	r.stop()
	for _, address := range []string{"ops@example.org", "night@example.org"} {
		if got := box.Subjects(address); len(got) != 1 {
			t.Errorf("%s: got mails %q after a restart, want no more", address, got)
		}
	}
}

func TestTenFlapsAreThreeMailsAtMost(t *testing.T) {
	t.Parallel()
	g, box := newDoor(t), inboxtest.New(t)
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
	eventually(t, "a word of flapping", func() bool {
		return strings.Contains(strings.Join(box.Subjects("ops@example.org"), "\n"), "[FLAPPING] flappy")
	})
	eventually(t, "a word of its end", func() bool {
		return strings.Contains(strings.Join(box.Subjects("ops@example.org"), "\n"), "[STABLE] flappy: up")
	})
	r.stop()
	if got := box.Subjects("ops@example.org"); len(got) > 3 {
		t.Errorf("got mails %q, want three at most", got)
	}
}

func TestRelayThatRefusesForAWhileTellsWhatIsTrueThen(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), inboxtest.New(t)
	r := newInstance(t, strings.Replace(watching(x, box), "notify: [day, night]", "notify: night", 1))
	r.start()
	r.ready()
	eventually(t, "an up website", func() bool { return r.health("website") == "up" })

	box.Refuse(true) // around both
	x.setIll(true)
	eventually(t, "a mail that waits", func() bool {
		output, _ := r.vedette("explain", "website")
		return strings.Contains(output, "notified at")
	})
	x.setIll(false)
	eventually(t, "another mail that tells of both", func() bool {
		output, _ := r.vedette("explain", "website")
		return strings.Contains(output, "notified with its end")
	})
	box.Refuse(false)
	eventually(t, "one mail for both", func() bool { return box.Count("night@example.org", "[UP]") == 1 })
	if got := box.Count("night@example.org", "[DOWN]"); got != 0 || !box.Holds("website was down for ", ", and is up again.") {
		t.Errorf("got %d DOWN mails of %q, want both in one", got, box.Subjects("night@example.org"))
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

// natsURL is how others reach the instance's server.
func (r *running) natsURL() string {
	r.t.Helper()
	output, code := r.vedette("env")
	if code != 0 {
		r.t.Fatalf("got %d %s", code, output)
	}
	return strings.TrimSpace(strings.TrimPrefix(output, "export NATS_URL="))
}

func TestBlindIsToldWhenAllCheckWorkersHang(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), inboxtest.New(t)
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
	first.start("--stages", "schedule,operate,mail,notify,evaluate")
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
	eventually(t, "watched again", func() bool {
		output, code := first.vedette("status")
		return code == 0 && !strings.Contains(output, "BLIND")
	})
	worker.stop()
	first.stop()
	if got := box.Subjects("owner@example.org"); len(got) > 0 {
		t.Errorf("got %q for the owner, want nothing: no monitor was down", got)
	}
}

func TestServerThatWasAwayIsTheReasonOfWhatWasMissed(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), inboxtest.New(t)
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
		return box.Holds("nothing was checked from ", "the NATS server was away")
	})
	eventually(t, "an up website again", func() bool { return worker.health("website") == "up" })
	worker.stop()
	server.stop()
	if got := box.Count("night@example.org", "[DOWN]"); got > 0 {
		t.Errorf("got %d DOWN mails, want none", got)
	}
}

var killsFor = flag.Duration("kills", 15*time.Second, "how long processes are killed every second")

// Processes of three roles, two of each, of which one of each is killed every
// second: each transition is announced once to each recipient.
func TestKilledEvaluatorsNotifiersAndMailWorkersTellEachTransitionOnce(t *testing.T) {
	t.Parallel()
	const monitors = 20
	box := inboxtest.New(t)
	var targets []*target
	var b strings.Builder
	fmt.Fprintf(&b, `
recipients: {day: ops@example.org, night: night@example.org}
notifications: {group_by: [monitor], group_wait: 0s, group_interval: 0s, repeat_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 1, success_threshold: 1, flapping: false, notify: [day, night]}
monitors:
`, box.Relay())
	for i := range monitors {
		targets = append(targets, newTarget(t))
		fmt.Fprintf(&b, "  - {name: m%d, http: %q}\n", i, targets[i].url)
	}
	first := newInstance(t, b.String())
	first.start("--stages", "schedule,operate,check")
	first.ready()
	url := first.natsURL()
	roles := []string{"evaluate", "notify", "mail"}
	var pairs [][2]*running
	for _, role := range roles {
		var pair [2]*running
		for i := range pair {
			pair[i] = newInstance(t, b.String())
			pair[i].start("--nats", url, "--stages", role)
			pair[i].ready()
		}
		pairs = append(pairs, pair)
	}
	eventually(t, "up monitors", func() bool { return first.health("m0") == "up" && first.health("m19") == "up" })

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ill := make([]bool, monitors)
	end := time.Now().Add(*killsFor)
	for second := 0; time.Now().Before(end); second++ {
		<-time.After(time.Duration(random.IntN(500)) * time.Millisecond) // any moment may be the wrong one
		for i, role := range roles {
			victim := pairs[i][(second+i)%2]
			victim.kill()
			victim.start("--nats", url, "--stages", role)
		}
		for i := range ill { // every five seconds each changes, which is 240 a minute
			if (second+i)%5 == 0 {
				ill[i] = !ill[i]
				targets[i].setIll(ill[i])
			}
		}
		<-time.After(750 * time.Millisecond)
	}
	for i := range targets {
		targets[i].setIll(false)
	}
	eventually(t, "all up", func() bool {
		for i := range targets {
			if first.health(fmt.Sprint("m", i)) != "up" {
				return false
			}
		}
		return true
	})
	truth := transitions(first.output.String())
	eventually(t, "all told", func() bool {
		told, _ := announcements(box.All())
		for _, address := range []string{"ops@example.org", "night@example.org"} {
			for key, n := range truth {
				if told[address+" "+key] < n {
					return false
				}
			}
		}
		return true
	})
	for _, pair := range pairs {
		pair[0].stop()
		pair[1].stop()
	}
	first.stop()
	told, doubled := announcements(box.All())
	all := 0
	for key, n := range truth {
		all += n
		for _, address := range []string{"ops@example.org", "night@example.org"} {
			if got := told[address+" "+key]; got != n {
				t.Errorf("%s %s: told %d times, want %d", address, key, got, n)
			}
		}
	}
	for id, bodies := range doubled {
		if len(bodies) > 1 {
			t.Errorf("got %d different mails with the Message-ID %s, want the same one", len(bodies), id)
		}
	}
	t.Logf("%d transitions, each told to two recipients; %d mails arrived twice", all, len(box.All())-len(doubled))
}

// transitions counts those that an instance printed, as "m1 down".
func transitions(output string) map[string]int {
	truth := map[string]int{}
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) > 4 && (fields[2] == "DOWN" || fields[2] == "UP") {
			truth[strings.TrimSuffix(fields[3], ":")+" "+strings.ToLower(fields[2])]++
		}
	}
	return truth
}

var mailSubject = regexp.MustCompile(`^\[(DOWN|UP)[^\]]*\] (\S+): `)

// announcements counts what the mails of single monitors tell, as "address m1
// down", each mail once; and it returns the texts of each Message-ID.
func announcements(letters []inboxtest.Mail) (told map[string]int, texts map[string]map[string]bool) {
	told, texts = map[string]int{}, map[string]map[string]bool{}
	for _, l := range letters {
		if texts[l.ID] != nil {
			texts[l.ID][l.Text] = true
			continue
		}
		texts[l.ID] = map[string]bool{l.Text: true}
		found := mailSubject.FindStringSubmatch(l.Subject)
		if found == nil {
			continue
		}
		key := l.To + " " + found[2] + " "
		told[key+strings.ToLower(found[1])]++
		wholes := strings.Count(l.Text, ", and is up again.") // both at once
		told[key+"down"] += wholes
		for line := range strings.Lines(l.Text) {
			if strings.HasPrefix(line, "Also:") && strings.Contains(line, "UP, was down") {
				told[key+"up"]++
				if strings.Contains(line, "not notified before") {
					told[key+"down"]++
				}
			}
		}
	}
	return told, texts
}
