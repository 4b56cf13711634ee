package e2e_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/producer"
)

var (
	mailKills = flag.Int("mailkills", 12, "number of kills of a mail worker")
	relayAway = flag.Duration("relayaway", 0, "how long the relay stays away after that was noticed")
)

// clientAt connects a client to a running instance until the test ends.
func clientAt(t *testing.T, url string) *producer.Client {
	t.Helper()
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: url, Process: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// enqueueMails enqueues mails in a running instance and returns their Message-IDs.
func enqueueMails(t *testing.T, url string, n int) map[string]bool {
	t.Helper()
	client := clientAt(t, url)
	ids := map[string]bool{}
	for i := range n {
		id, err := client.EnqueueMail(t.Context(), job.Mail{To: fmt.Sprintf("u%d@example.org", i), Subject: "s", Text: "t"})
		if err != nil {
			t.Fatal(err)
		}
		ids["<"+id+"@example.org>"] = true
	}
	return ids
}

// A mail worker is killed repeatedly while it sends. Each mail arrives, and a mail
// arrives twice only if its worker died between the relay's acceptance and the
// record of it.
func TestMailsArriveWhileWorkersAreKilled(t *testing.T) {
	t.Parallel()
	box := newInbox(t)
	box.Pause = 20 * time.Millisecond // a round trip
	file := fmt.Sprintf(`
mail: {from: vedette@example.org, relays: [%s]}
workers: {mails: 16}
monitors: []
`, strings.Replace(box.Relay(), "}", ", sessions: 16}", 1))
	server := newInstance(t, file)
	server.start("--stages", "maintain")
	server.ready()
	url := server.natsURL()
	worker := newInstance(t, file)
	worker.start("--nats", url, "--stages", "mail")
	worker.ready()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	wanted := map[string]bool{}
	var kills []time.Time
	for range *mailKills {
		for id := range enqueueMails(t, url, stormSize/10) {
			wanted[id] = true
		}
		before := len(box.All())
		eventually(t, "mails under way", func() bool { return len(box.All()) > before })
		<-time.After(time.Duration(random.IntN(200)) * time.Millisecond) // any moment
		worker.kill()
		kills = append(kills, time.Now())
		worker.start("--nats", url, "--stages", "mail")
		worker.ready()
	}
	eventually(t, "all mails", func() bool {
		times, _ := box.Arrivals()
		for id := range wanted {
			if times[id] == 0 {
				return false
			}
		}
		return true
	})
	worker.stop()
	server.stop()
	times, first := box.Arrivals()
	doubled := 0
	for id, n := range times {
		if !wanted[id] {
			t.Errorf("got %s, which was not enqueued", id)
		}
		if n == 1 {
			continue
		}
		doubled += n - 1
		if !justBefore(first[id], kills) {
			t.Errorf("%s arrived %d times, first at %s, want that only just before a kill", id, n, first[id])
		}
	}
	t.Logf("%d mails, %d kills, %d arrived twice, all of them accepted just before a kill", len(wanted), len(kills), doubled)
}

// justBefore reports whether a time is close enough to a kill that the record of a
// delivery may not have reached the disk.
func justBefore(at time.Time, kills []time.Time) bool {
	const gap = 500 * time.Millisecond
	for _, kill := range kills {
		if d := kill.Sub(at); d > -gap && d < gap {
			return true
		}
	}
	return false
}

// While a relay is unreachable, mails accumulate: none is lost or sent twice, and no
// attempt is counted.
func TestRelayOutageLosesNoMail(t *testing.T) {
	t.Parallel()
	box := newInbox(t)
	file := fmt.Sprintf("operators: ops\nrecipients: {ops: ops@example.org}\nmail: {from: vedette@example.org, relays: [%s]}\nmonitors: []\n", box.Relay())
	r := newInstance(t, file)
	box.Close()
	r.start()
	r.ready()
	wanted := enqueueMails(t, r.natsURL(), stormSize)
	eventually(t, "an attempt in the mail log", func() bool { output, _ := r.vedette("mail", "log"); return output != "" })
	eventually(t, "a notice to the operators", func() bool {
		return strings.Contains(r.output.String(), "fault began") && strings.Contains(r.output.String(), "reason=relays_down")
	})
	eventually(t, "the mail to the operators in the Maildir", func() bool { return keptMail(t, r.dir, "relay "+box.Address+" cannot be reached since ") })
	<-time.After(*relayAway)
	box.Listen(t)
	back := time.Now()
	eventually(t, "all mails", func() bool {
		times, _ := box.Arrivals()
		for id := range wanted {
			if times[id] == 0 {
				return false
			}
		}
		return true
	})
	t.Logf("%d mails %s after the relay was back", len(wanted), time.Since(back).Round(10*time.Millisecond))
	output, _ := r.vedette("dead", "list")
	checkAttempts(t, r.natsURL(), wanted)
	eventually(t, "the mail to the operators from the relay too", func() bool { return box.Holds("relay " + box.Address + " cannot be reached since ") })
	r.stop()
	times, _ := box.Arrivals()
	for id, n := range times {
		if n > 1 {
			t.Errorf("%s arrived %d times", id, n)
		}
	}
	if strings.Contains(output, "mail.adhoc.") {
		t.Errorf("got %s, want no dead letters", output)
	}
}

// keptMail reports whether an instance's Maildir has a mail with a text.
func keptMail(t *testing.T, dir, text string) bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*", "mail", "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		body, err := os.ReadFile(path)
		return err == nil && strings.Contains(strings.ReplaceAll(string(body), "=\n", ""), text) // without the folds of quoted-printable
	})
}

// checkAttempts checks that one attempt was counted for each mail.
func checkAttempts(t *testing.T, url string, ids map[string]bool) {
	t.Helper()
	client := clientAt(t, url)
	for id := range ids {
		id, _, _ = strings.Cut(strings.TrimPrefix(id, "<"), "@")
		eventually(t, "an outcome of "+id, func() bool {
			answer, err := client.Outcome(t.Context(), job.JobMail, id)
			if err == nil && answer.Attempts != 1 {
				t.Errorf("%s: got %d attempts, want one", id, answer.Attempts)
			}
			return err == nil
		})
	}
}
