package e2e_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

var killsFor = flag.Duration("kills", 15*time.Second, "how long processes are killed every second")

// Processes of three roles, two of each, of which one of each is killed every
// second: each transition is announced once to each recipient.
func TestKilledEvaluatorsNotifiersAndMailWorkersTellEachTransitionOnce(t *testing.T) {
	t.Parallel()
	const monitors = 20
	box := newInbox(t)
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
	first.start("--stages", "schedule,maintain,check")
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

// announcements counts what the mails about single monitors report, as "address m1
// down", each mail once; and it returns the texts of each Message-ID.
func announcements(letters []receivedMail) (told map[string]int, texts map[string]map[string]bool) {
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
