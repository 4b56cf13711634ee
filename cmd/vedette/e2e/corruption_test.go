package e2e_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/topology"
)

var (
	corruptions    = flag.Int("corruptions", 3, "number of data directories that are corrupted")
	corruptionSeed = flag.Uint64("seed", 0, "seed of the first corruption; the time by default")
)

const (
	refusalLimit = 60 * time.Second
	pingToken    = "backup-0123456789"
)

// history is an installation with a past: monitors up and down, mails, a silence,
// dead letters, outcomes, a heartbeat.
type history struct {
	well, sick *target
	// dirs are data directories after a clean stop and after a kill, before what
	// they hold.
	dirs   map[string]string
	before map[string]contents
}

func (h *history) file(box *inbox) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
operators: day
recipients: {day: ops@example.org}
notifications: {group_by: [monitor], group_wait: 0s, group_interval: 0s, repeat_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 1, success_threshold: 1, flapping: false, notify: day}
monitors:
  - {name: sick1, http: %q}
  - {name: sick2, http: %q}
  - {name: backup, heartbeat: {token: %s, interval: 1h}}
`, box.Relay(), h.sick.url, h.sick.url, pingToken)
	for i := range 5 {
		fmt.Fprintf(&b, "  - {name: well%d, http: %q}\n", i, h.well.url)
	}
	return b.String()
}

// newHistory runs an installation, stops it cleanly, and runs it again until it
// is killed.
func newHistory(t *testing.T) *history {
	t.Helper()
	h := &history{well: newTarget(t), sick: newTarget(t), dirs: map[string]string{}, before: map[string]contents{}}
	box := newInbox(t)
	r := newInstance(t, h.file(box))
	data := filepath.Join(r.dir, "data")
	r.start("--data", data)
	r.ready()
	eventually(t, "all up", func() bool { return r.health("sick1") == "up" && r.health("well4") == "up" })
	eventually(t, "an accepted ping", func() bool { return r.ping(pingToken, "") == http.StatusOK })
	for _, args := range [][]string{
		{"silence", "add", "--data", data, "monitor=well*", "--for", "1h", "--comment", "new disks"},
		{"enqueue", "check", "--data", data, "--wait", "30s", h.well.url},
		{"enqueue", "mail", "--data", data, "--to", "gone@example.org", "--subject", "Hello", "--text", "Refused for good."},
	} {
		if output, code := r.vedette(args...); code != 0 {
			t.Fatalf("%v: got %d %s", args, code, output)
		}
	}
	h.sick.setIll(true)
	eventually(t, "mails about what is down", func() bool { return box.Count("ops@example.org", "[DOWN]") == 2 })
	h.sick.setIll(false)
	eventually(t, "mails about what is up", func() bool { return box.Count("ops@example.org", "[UP]") == 2 })
	h.sick.setIll(true)
	eventually(t, "mails about what is down again", func() bool { return box.Count("ops@example.org", "[DOWN]") == 4 })
	eventually(t, "a dead letter", func() bool {
		output, _ := r.vedette("dead", "list", "--data", data)
		return strings.Contains(output, "mail.adhoc.")
	})
	r.stop()
	h.keep(t, "stopped", data)
	r.start("--data", data)
	r.ready()
	recorded := time.Now().Add(6 * time.Second) // the server has been recorded since
	eventually(t, "results after the restart", func() bool { return r.checkedSince(recorded) })
	r.kill()
	h.keep(t, "killed", data)
	return h
}

func (h *history) keep(t *testing.T, how, data string) {
	t.Helper()
	h.dirs[how] = copyDir(t, data)
	h.before[how] = contentsOf(t, h.dirs[how])
}

// row is a monitor on the status page.
type row struct {
	Name, Health string
	Checked      time.Time
}

func (r *running) rows() []row {
	body, _ := r.get("/status.json")
	var status struct{ Monitors []row }
	_ = json.Unmarshal([]byte(body), &status) // of an instance that is starting
	return status.Monitors
}

// verdict is how a start on a damaged directory went.
type verdict struct {
	seed   uint64
	how    string
	damage damage
	result string
	took   time.Duration
}

// Each of some randomly damaged data directories either works again, with a
// message about everything that is missing, or is refused with a hint.
func TestDamagedDataDirectoryWorksOrIsRefused(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	seed := *corruptionSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	var verdicts []verdict
	for i := range *corruptions {
		verdicts = append(verdicts, h.try(t, seed+uint64(i)))
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SEED\tSTOP\tFILE\tDAMAGE\tRESULT\tSECONDS")
	for _, v := range verdicts {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%.1f\n", v.seed, v.how, strings.TrimPrefix(v.damage.file, "jetstream/jetstream/$G/streams/"), v.damage.what, v.result, v.took.Seconds())
	}
	_ = w.Flush() // into memory
	t.Logf("\n%s", &table)
}

// try damages a copy of one of the directories and starts the program on it.
func (h *history) try(t *testing.T, seed uint64) verdict {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	how := []string{"stopped", "killed"}[random.IntN(2)]
	box := newInbox(t)
	r := newInstance(t, h.file(box))
	data := copyDir(t, h.dirs[how])
	v := verdict{seed: seed, how: how, damage: corrupt(t, data, random)}
	fail := func(format string, args ...any) {
		t.Helper()
		v.result = "FAILED"
		t.Errorf("seed %d, %s, %s %s: %s\n%s", seed, how, v.damage.file, v.damage.what, fmt.Sprintf(format, args...), r.output)
	}
	h.sick.setIll(true)
	began := time.Now()
	r.start("--data", data)
	ended := make(chan error, 1)
	cmd := r.cmd
	go func() { ended <- cmd.Wait() }()
	working, refused := r.awaitWork(began, ended)
	v.took = time.Since(began)
	switch {
	case refused:
		v.result = "refused"
		if code := cmd.ProcessState.ExitCode(); code != cli.ExitFailed || !strings.Contains(r.output.String(), "hint: ") {
			fail("got exit code %d, want %d and a hint", code, cli.ExitFailed)
		}
		return v
	case !working:
		fail("got no results for all monitors within %s: %v", refusalLimit, r.rows())
	default:
		v.result = h.examine(r, data, how, box, fail)
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	select {
	case err := <-ended:
		if err != nil {
			fail("got %v, want a clean stop", err)
		}
	case <-time.After(refusalLimit):
		_ = cmd.Process.Kill()
		<-ended
		fail("got no stop within %s", refusalLimit)
	}
	return v
}

// awaitWork waits until all monitors were checked, or the process ended.
func (r *running) awaitWork(began time.Time, ended chan error) (working, refused bool) {
	limit, look := time.After(refusalLimit), time.Tick(20*time.Millisecond)
	for {
		select {
		case <-ended:
			return false, true
		case <-limit:
			return false, false
		case <-look:
			if _, code := r.get("/readyz"); code == http.StatusOK && r.checkedSince(began) {
				return true, false
			}
		}
	}
}

// checkedSince reports whether all monitors have a new result, except the
// heartbeat, which has a slot only each hour.
func (r *running) checkedSince(began time.Time) bool {
	rows := slices.DeleteFunc(r.rows(), func(row row) bool { return row.Name == "backup" })
	return len(rows) == 7 && !slices.ContainsFunc(rows, func(row row) bool { return !row.Checked.After(began) })
}

// examine compares what there is with what there was, lets the sick monitors
// recover, and waits for the mails about that.
func (h *history) examine(r *running, data, how string, box *inbox, fail func(string, ...any)) string {
	lost := named(r.output.String())
	url, err := broker.FindURL(data)
	if err != nil {
		fail("find server: %v", err)
	}
	after, err := readContents(r.t.Context(), pipeline.Config{URL: url})
	if err != nil {
		fail("read contents: %v", err)
	}
	before := h.before[how]
	for stream, what := range before.missing(&after) {
		if !slices.Contains(lost, stream) {
			fail("got no message about the loss in %s: %v", stream, what)
		}
	}
	if downs := box.Count("ops@example.org", "[DOWN]"); downs > 0 && len(lost) == 0 {
		fail("got %d mails about old incidents, and no loss", downs)
	}
	h.sick.setIll(false)
	isUp := func() bool { return r.health("sick1") == "up" && r.health("sick2") == "up" }
	if !holdsWithin(refusalLimit, isUp) {
		fail("got no recovery of the monitors: %v", r.rows())
	}
	mailed := func() bool { return box.Count("ops@example.org", "[UP]") >= 2 }
	forgotten := slices.Contains(lost, topology.Notifications.Stream())
	if !forgotten && !holdsWithin(refusalLimit, mailed) {
		fail("got mails %v, want one about each end", box.Subjects("ops@example.org"))
	}
	switch {
	case len(lost) > 0:
		return fmt.Sprintf("lost: %v", lost)
	case strings.Contains(r.output.String(), "has been repaired"):
		return "repaired"
	default:
		return "unharmed"
	}
}

// holdsWithin polls until a condition holds, and reports whether it did in time.
func holdsWithin(limit time.Duration, holds func() bool) bool {
	deadline, look := time.After(limit), time.Tick(20*time.Millisecond)
	for !holds() {
		select {
		case <-deadline:
			return false
		case <-look:
		}
	}
	return true
}
