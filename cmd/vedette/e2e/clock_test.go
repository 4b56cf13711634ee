package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// clockPromise is how soon after a step checks go on.
const clockPromise = 10 * time.Second

// clockWorld is an instance whose clock can be turned, with a target, a heartbeat
// and an inbox of its own.
type clockWorld struct {
	*running

	clock  *turnedClock
	target *target
	checks atomic.Int64 // requests to the target
	box    *inbox
}

const beatToken = "beat-0123456789abcdef"

// newClockWorld starts an instance whose clock is wrong by an offset, and waits
// until its monitors are up.
func newClockWorld(t *testing.T, offset time.Duration) *clockWorld {
	t.Helper()
	w := &clockWorld{box: newInbox(t), target: newTarget(t)}
	counting := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		w.checks.Add(1)
		w.target.ServeHTTP(response, request)
	}))
	t.Cleanup(counting.Close)
	w.running = newInstance(t, fmt.Sprintf(`
operators: ops
recipients: {day: day@example.org, ops: ops@example.org}
notifications: {group_wait: 0s, group_interval: 1s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 2, retry_interval: 0s, notify: day}
monitors:
  - {name: site, http: '%s'}
  - {name: beat, heartbeat: {token: %s, interval: 1m}}
  - {name: gone, http: 'http://127.0.0.1:1'}
`, w.box.Relay(), counting.URL, beatToken))
	w.clock = w.withClock(offset)
	w.begin()
	eventually(t, "an accepted ping", func() bool { return w.ping(beatToken, "") == http.StatusOK })
	eventually(t, "a job that ran up", func() bool { return w.health("beat") == "up" })
	eventually(t, "the mail about the target that is down from the start", func() bool { return w.box.Count("day@example.org", "[DOWN]") == 1 })
	return w
}

// begin starts the instance, and waits until its target is up.
func (w *clockWorld) begin() {
	w.t.Helper()
	w.start()
	w.ready()
	eventually(w.t, "the target up", func() bool { return w.health("site") == "up" })
}

// goesOn checks that checks continue in time after a change, at their usual rate.
func (w *clockWorld) goesOn(change func()) {
	w.t.Helper()
	change()
	began, before := time.Now(), w.checks.Load()
	eventually(w.t, "checks that go on", func() bool { return w.checks.Load() >= before+4 }) // one may have been under way
	took := time.Since(began)
	w.t.Logf("four checks within %s", took.Round(100*time.Millisecond))
	if took > clockPromise+4*time.Second {
		w.t.Errorf("got four checks within %s, want the first within %s", took, clockPromise)
	}
	if got := w.checks.Load() - before; got > int64(took/time.Second)+4 {
		w.t.Errorf("got %d checks within %s, want no burst", got, took)
	}
}

// reports checks that a step shows wherever people look, and that the operators get
// one mail about it.
func (w *clockWorld) reports(step time.Duration) {
	w.t.Helper()
	text := "the wall clock jumped by " + step.String()
	if step > 0 {
		text = "the wall clock jumped by +" + step.String()
	}
	if body, code := w.get("/readyz"); code != http.StatusOK || !strings.Contains(body, `"reason": "clock_stepped"`) || !strings.Contains(body, text) {
		w.t.Errorf("/readyz: got %d %s, want it ready, with the step", code, body)
	}
	if out, code := w.vedette("doctor"); code != 1 || !strings.Contains(out, text) || !strings.Contains(out, "chrony") {
		w.t.Errorf("doctor: got %d %s, want the step and what to do", code, out)
	}
	if out, code := w.vedette("status"); code != 1 || !strings.Contains(out, "VEDETTE: clock of process") {
		w.t.Errorf("status: got %d %s, want the step", code, out)
	}
	eventually(w.t, "the mail to the operators", func() bool { return w.box.Count("ops@example.org", "[VEDETTE]") > 0 })
	if !w.box.Holds(text) {
		w.t.Errorf("got mails %q, want one with the step", w.box.Subjects("ops@example.org"))
	}
}

// alerts takes the target down and up again, and checks that the mails leave.
func (w *clockWorld) alerts() {
	w.t.Helper()
	for _, change := range []struct {
		ill  bool
		mail string
		want int // with that of the monitor that is down from the start
	}{{true, "[DOWN]", 2}, {false, "[UP]", 1}} {
		began := time.Now()
		w.target.setIll(change.ill)
		eventually(w.t, "the "+change.mail+" mail", func() bool { return w.box.Count("day@example.org", change.mail) >= change.want })
		w.t.Logf("%s mail after %s", change.mail, time.Since(began).Round(100*time.Millisecond))
	}
	if got := w.health("beat"); got != "up" {
		w.t.Errorf("got the heartbeat %s, want it up: it was pinged in time", got)
	}
	w.stop()
	for mail, want := range map[string]int{"[DOWN]": 2, "[UP]": 1} {
		if got := w.box.Count("day@example.org", mail); got != want {
			w.t.Errorf("got %d %s mails, want %d: %q", got, mail, want, w.box.Subjects("day@example.org"))
		}
	}
	if w.box.Holds("[NO DATA]") {
		w.t.Error("got a mail about missing data, want none")
	}
	if got := w.box.Count("ops@example.org", "[VEDETTE]"); got > 1 {
		w.t.Errorf("got %d mails to the operators, want at most one: %q", got, w.box.Subjects("ops@example.org"))
	}
}

func TestAClockThatIsSetStopsNothing(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct{ from, to time.Duration }{
		"ten seconds forward": {0, 10 * time.Second},
		"ten seconds back":    {0, -10 * time.Second},
		"an hour forward":     {0, time.Hour},
		"an hour back":        {0, -time.Hour},
		"a day back":          {day, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newClockWorld(t, c.from)
			w.goesOn(func() { w.clock.set(c.to) })
			if step := c.to - c.from; step.Abs() == time.Hour {
				w.reports(step)
			}
			w.alerts()
		})
	}
}

func TestAClockThatIsPutRightWhileNothingRunsStopsNothing(t *testing.T) {
	t.Parallel()
	w := newClockWorld(t, 24*time.Hour)
	w.stop()
	w.clock.set(0)
	w.goesOn(w.begin)
	w.alerts()
}

func TestAStoppedProcessGoesOnWithoutABurst(t *testing.T) {
	t.Parallel()
	w := newClockWorld(t, 0)
	if err := w.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(20 * time.Second)
	w.goesOn(func() {
		if err := w.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	})
	w.alerts()
	if !strings.Contains(w.output.String(), "stood still") {
		t.Error("got no line about the time in which the process stood still")
	}
}
