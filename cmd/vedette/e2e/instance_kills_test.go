package e2e_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	instanceKills    = flag.Int("instancekills", 4, "how often the whole instance is killed")
	instanceMonitors = flag.Int("instancemonitors", 40, "monitors of the instance that is killed")
	checkedWithin    = flag.Duration("checkedwithin", 30*time.Second, "how long after a start each monitor must be checked; a slow machine needs more than the 5s of the manual")
)

// manyTargets answers for many monitors, by path, and records when each was
// checked.
type manyTargets struct {
	url string

	mu      sync.Mutex
	ill     []bool
	checked []time.Time
}

func newManyTargets(t *testing.T, n int) *manyTargets {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &manyTargets{url: "http://" + listener.Addr().String(), ill: make([]bool, n), checked: make([]time.Time, n)}
	server := &http.Server{Handler: x}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return x
}

// ServeHTTP takes some time, so that kills hit running checks.
func (x *manyTargets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil || i >= len(x.ill) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	began := time.Now()
	select {
	case <-time.After(time.Duration(rand.IntN(300)) * time.Millisecond):
	case <-r.Context().Done():
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.checked[i] = began // not the end: the process may be dead by then
	if x.ill[i] {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (x *manyTargets) flip(i int) (ill bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ill[i] = !x.ill[i]
	return x.ill[i]
}

// uncheckedSince counts the targets without a check since a time.
func (x *manyTargets) uncheckedSince(since time.Time) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, at := range x.checked {
		if !at.After(since) {
			n++
		}
	}
	return n
}

// The whole instance, with its server, is killed repeatedly. After each start every
// monitor is checked again within seconds, and each transition is mailed once.
func TestKilledInstanceChecksEveryMonitorAgainAndMailsEachTransitionOnce(t *testing.T) {
	t.Parallel()
	box, targets := newInbox(t), newManyTargets(t, *instanceMonitors)
	var b strings.Builder
	fmt.Fprintf(&b, `
recipients: {day: ops@example.org}
notifications: {group_by: [monitor], group_wait: 0s, group_interval: 0s, repeat_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 1, success_threshold: 1, flapping: false, notify: day}
monitors:
`, box.Relay())
	for i := range *instanceMonitors {
		fmt.Fprintf(&b, "  - {name: m%d, http: \"%s/%d\"}\n", i, targets.url, i)
	}
	r := newInstance(t, b.String())
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	truth := map[string]int{}
	var starts, gaps []time.Duration // until the first and the last monitor was checked in each life
	for life := range *instanceKills + 1 {
		started := time.Now()
		r.start()
		eventually(t, "a check", func() bool { return targets.uncheckedSince(started) < *instanceMonitors })
		starts = append(starts, time.Since(started).Round(10*time.Millisecond))
		eventually(t, "each monitor checked again", func() bool { return targets.uncheckedSince(started) == 0 })
		gaps = append(gaps, time.Since(started).Round(10*time.Millisecond))
		if life == *instanceKills {
			break
		}
		// Each target keeps its state for three lives, so that its transition is
		// observed in one of them.
		for i := life % 3; i < *instanceMonitors; i += 3 {
			if random.IntN(3) > 0 {
				continue
			}
			state := "up"
			if targets.flip(i) {
				state = "down"
			}
			truth[fmt.Sprintf("m%d %s", i, state)]++
		}
		<-time.After(time.Duration(random.IntN(1500)) * time.Millisecond) // any moment
		r.kill()
	}
	for life, gap := range gaps {
		if life > 0 && gap > *checkedWithin {
			t.Errorf("life %d: the last monitor was checked %s after the start, want %s at most", life, gap, *checkedWithin)
		}
	}
	all := 0
	for _, n := range truth {
		all += n
	}
	eventually(t, "all transitions mailed", func() bool {
		mailed, _ := announcements(box.All())
		for key, n := range truth {
			if mailed["ops@example.org "+key] < n {
				return false
			}
		}
		return true
	})
	r.stop()
	mailed, doubled := announcements(box.All())
	for key, n := range mailed {
		if want := truth[strings.TrimPrefix(key, "ops@example.org ")]; n != want {
			t.Errorf("%s: got %d mails, want %d", key, n, want)
		}
	}
	t.Logf("%d kills, %d monitors: first monitor checked %v after each start, last %v; %d transitions; %d mails, of which %d arrived again with the same id", *instanceKills, *instanceMonitors, starts, gaps, all, len(box.All()), len(box.All())-len(doubled))
}

// A process is killed while it runs a check. The check is given out at once at the
// next start, so that its monitor has data again within seconds, and the record of
// the lost slot says what happened.
func TestCheckOfAKilledProcessIsRecordedAsLostWithItsName(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began, answer := make(chan struct{}, 100), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		select {
		case <-answer:
		case <-r.Context().Done():
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	r := newInstance(t, fmt.Sprintf(`
defaults: {interval: 2s, timeout: 1900ms}
monitors:
  - {name: slow, http: "http://%s/"}
`, listener.Addr()))
	r.start()
	eventually(t, "a running check", func() bool { return len(began) > 0 })
	r.kill()
	<-time.After(2500 * time.Millisecond) // the slot is over
	close(answer)
	started := time.Now()
	r.start()
	r.ready()
	eventually(t, "an up monitor", func() bool { return r.health("slow") == "up" })
	took := time.Since(started)
	output, _ := r.vedette("explain", "slow")
	if want := "its check was lost (when process "; !strings.Contains(output, want) {
		t.Errorf("got %s, want %q in it", output, want)
	}
	t.Logf("up again %s after the start", took.Round(10*time.Millisecond))
	r.stop()
	if strings.Contains(r.output.String(), "NO DATA") {
		t.Errorf("got missing data:\n%s", r.output)
	}
}
