package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
)

// parted is a web server that is ill for those who come from some locations.
type parted struct {
	*httptest.Server

	mu  sync.Mutex
	ill []string
}

func newParted(t *testing.T) *parted {
	t.Helper()
	p := &parted{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, location := range p.ill {
			if location == r.Header.Get("X-From") {
				w.WriteHeader(http.StatusBadGateway)
			}
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *parted) illFor(locations ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ill = locations
}

const partedFile = `recipients: {oncall: you@example.org, ops: ops@example.org}
operators: [ops]
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%[2]s]}
defaults: {interval: 1s, failure_threshold: 1, success_threshold: 1, flapping: false, notify: [oncall]}
monitors:
  - {name: website, locations: [fra, nyc, sin], http: {url: "%[1]s", headers: {X-From: "${secret:WHERE}"}}}
`

// explained is what 'vedette explain' says of the website and its locations.
func explained(r *running) (health string, votes map[string]job.Health) {
	output, _ := r.vedette("explain", "website", "--json")
	var found struct {
		State job.State `json:"state"`
	}
	if err := json.Unmarshal([]byte(output), &found); err != nil {
		return output, nil
	}
	votes = map[string]job.Health{}
	for _, v := range found.State.Votes() {
		votes[v.Location] = v.Health
	}
	return string(found.State.Health), votes
}

// Three processes check one target from three locations, distinguished by a secret
// that each of them has for itself.
func TestLocationsMakeAMonitorDownTogether(t *testing.T) {
	t.Parallel()
	target, box := newParted(t), newInbox(t)
	r := newInstance(t, fmt.Sprintf(partedFile, target.URL, box.Relay()))
	secrets := func(location string) string {
		dir := filepath.Join(r.dir, location)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "WHERE"), []byte(location), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	r.start("--location", "fra", "--secrets", secrets("fra"))
	r.ready()
	url := r.natsURL()
	spawn(t, r.dir, "worker", "--nats", url, "--location", "nyc", "--secrets", secrets("nyc"))
	sin := spawn(t, r.dir, "worker", "--nats", url, "--location", "sin", "--secrets", secrets("sin"))
	votes := func(want string) {
		t.Helper()
		eventually(t, "votes "+want, func() bool {
			_, found := explained(r)
			return fmt.Sprintf("fra %s, nyc %s, sin %s", found["fra"], found["nyc"], found["sin"]) == want
		})
	}
	target.illFor("nyc")
	votes("fra up, nyc down, sin up")
	if health, _ := explained(r); health != "up" || box.Count("you@example.org", "[DOWN]") > 0 {
		t.Errorf("got %s and mails %q, want one location alone to wake nobody", health, box.Subjects("you@example.org"))
	}
	target.illFor("nyc", "sin")
	eventually(t, "a DOWN mail that tells what each location finds", func() bool {
		return box.Holds("[DOWN] website", "(2 of 3 locations)", "From fra:", "up", "From nyc:", "down: status 502", "Quorum:", "2 of 3")
	})
	status, code := r.vedette("status")
	if code != cli.ExitFound || !strings.Contains(status, "DOWN") {
		t.Errorf("got %q and %d, want the website down", status, code)
	}
	target.illFor()
	eventually(t, "an UP mail", func() bool { return box.Count("you@example.org", "[UP]") == 1 })

	_ = sin.cmd.Process.Kill() // no worker is left there
	votes("fra up, nyc up, sin unknown")
	eventually(t, "the mail to operators that sin has no data", func() bool {
		return box.Holds("To: <ops@example.org>", "no data about website from sin")
	})
	page, _ := r.get("/")
	if !strings.Contains(page, "sin no data") || r.health("website") != "up" {
		t.Errorf("got %s and the page %s, want it up, and blind from sin", r.health("website"), page)
	}
	output, _ := r.vedette("explain", "website")
	for _, want := range []string{"fra, nyc, sin; 2 of 3 make it down", "from sin", "no data since"} {
		if !strings.Contains(output, want) {
			t.Errorf("got no %q in\n%s", want, output)
		}
	}
	if first, _, _ := strings.Cut(output, "\n"); first != "website is up" {
		t.Errorf("got %q, want what one location lacks told with it, and not of the monitor", first)
	}
	target.illFor("nyc")
	votes("fra up, nyc down, sin unknown")
	if health, _ := explained(r); health != "up" {
		t.Errorf("got %s with one location down and one without data, want up", health)
	}
	target.illFor("nyc", "fra")
	eventually(t, "a second DOWN mail", func() bool { return box.Count("you@example.org", "[DOWN]") == 2 })
	if got := box.Count("you@example.org", "[NO DATA"); got > 0 {
		t.Errorf("got %d mails about missing data to the people on call, want them to the operators only", got)
	}
}
