package notify_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
	"vedette/workers/notify"
)

const ops = "ops@example.org"

func TestDownAndUpAreTwoMails(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.result(m, job.Down)
	w.pass(12 * time.Minute)
	w.result(m, job.Up)
	w.pass(time.Hour)
	w.expect(ops, "[DOWN] website: connect refused", "[UP] website: was down 12 min")
	w.check()
}

func TestNotificationsWaitForOthersAndForTheInterval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names := []string{"a", "b", "c", "d"}
	monitors := map[string]*evaluate.Monitor{}
	for i, name := range names {
		monitors[name] = monitor(name)
		w.result(monitors[name], job.Down)
		w.pass(10 * time.Second)
		if i < 2 && len(w.delivered) > 0 {
			t.Fatalf("got a mail %s after the first failure, want it to wait 30 s", w.now.Sub(began))
		}
	}
	w.result(monitors["a"], job.Up)
	w.pass(4 * time.Minute)
	if len(w.delivered) != 1 {
		t.Fatalf("got %v within 5 minutes after a mail, want none", w.subjects(ops))
	}
	w.pass(2 * time.Minute)
	w.expect(ops, "[DOWN ×3] a, b and 1 more", "[DOWN ×1, UP ×1] d and a")
}

func TestOpenIncidentsAreRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := monitor("a"), monitor("b")
	w.result(a, job.Down)
	w.result(b, job.Down)
	w.pass(9 * time.Hour)
	w.result(b, job.Up)
	w.pass(5 * time.Hour)
	w.expect(ops, "[DOWN ×2] a and b", "[STILL DOWN ×2] a and b", "[STILL DOWN ×2] a and b", "[UP] b: was down 9 h", "[STILL DOWN] a: for 13 h")

	w = newWorld(t)
	w.grouping(job.Grouping{MaxListed: 10})
	w.result(a, job.Down)
	w.pass(100 * time.Hour)
	w.expect(ops, "[DOWN] a: connect refused")
}

func TestRelayOutageLosesNoNotification(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.relayAway = true
	w.result(m, job.Down)
	w.pass(10 * time.Minute)
	w.relayAway = false
	w.pass(time.Minute)
	w.expect(ops, "[DOWN] website: connect refused")

	w = newWorld(t)
	w.relayAway = true
	w.result(m, job.Down)
	w.pass(12 * time.Minute)
	w.result(m, job.Up)
	w.pass(time.Hour)
	w.relayAway = false
	w.pass(time.Hour)
	w.expect(ops, "[UP] website: was down 12 min")
	w.check()

	// What no relay has accepted is no reminder yet.
	w = newWorld(t)
	w.grouping(job.Grouping{MaxListed: 10, RepeatInterval: job.Duration(2 * time.Hour)})
	w.relayAway = true
	w.result(m, job.Down)
	w.pass(5 * time.Hour)
	w.relayAway = false
	w.pass(30 * time.Minute)
	w.expect(ops, "[DOWN] website: connect refused")
	w.check()

	w = newWorld(t) // so long that the first mail is stale
	w.grouping(job.Grouping{MaxListed: 10})
	w.relayAway = true
	w.result(m, job.Down)
	w.pass(20 * time.Hour)
	w.relayAway = false
	w.pass(time.Hour)
	w.expect(ops, "[DOWN] website: connect refused")
	w.check()

	w = newWorld(t) // three outages are reported in one mail
	w.relayAway = true
	for range 3 {
		w.result(m, job.Down)
		w.pass(12 * time.Minute)
		w.result(m, job.Up)
		w.pass(time.Hour)
	}
	w.relayAway = false
	w.pass(time.Hour)
	w.expect(ops, "[UP] website: was down 12 min")
	w.check()
}

func TestSilencesHoldMailsBackUntilTheyEnd(t *testing.T) {
	t.Parallel()
	silence := job.Silence{ID: "s", Match: job.Match{Monitors: []string{"web*"}}, Starts: began, Ends: began.Add(2 * time.Hour)}
	w, m, other := newWorld(t), monitor("website"), monitor("other")
	w.notifier.Mutes().SetSilence(silence)
	w.result(m, job.Down)
	w.result(other, job.Down)
	w.pass(time.Hour)
	w.expect(ops, "[DOWN] other: connect refused")
	w.pass(2 * time.Hour) // still down when the silence ends
	w.expect(ops, "[DOWN] other: connect refused", "[DOWN] website: connect refused")

	w = newWorld(t) // the whole incident within the silence: no mail
	w.notifier.Mutes().SetSilence(silence)
	w.result(m, job.Down)
	w.pass(time.Hour)
	w.result(m, job.Up)
	w.pass(10 * time.Hour)
	w.expect(ops)
	if owed := w.owes(); owed != nil {
		t.Errorf("got %v outstanding, want nothing", owed)
	}

	w = newWorld(t) // notified before: the end is notified when the silence ends
	w.result(m, job.Down)
	w.pass(time.Minute)
	w.notifier.Mutes().SetSilence(silence)
	w.result(m, job.Up)
	w.pass(time.Hour)
	w.expect(ops, "[DOWN] website: connect refused")
	w.pass(2 * time.Hour)
	w.expect(ops, "[DOWN] website: connect refused", "[UP] website: was down 1 min")

	w = newWorld(t) // expired early: notified after the next sweep
	w.notifier.Mutes().SetSilence(silence)
	w.result(m, job.Down)
	w.pass(10 * time.Minute)
	silence.Ends = w.now
	w.notifier.Mutes().SetSilence(silence)
	w.do(func() error { return w.notifier.SweepIn(t.Context(), 0) })
	w.pass(time.Minute)
	w.expect(ops, "[DOWN] website: connect refused")
}

func TestMonitorStillDownAfterMaintenanceIsNotified(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("db1")
	if err := w.notifier.Mutes().SetWindows([]job.Maintenance{{Name: "lunch", Match: job.Match{Groups: []string{"db"}}, Cron: "0 12 * * *", Until: "13:30"}}); err != nil {
		t.Fatal(err)
	}
	w.result(m, job.Down)
	w.pass(89 * time.Minute)
	w.expect(ops)
	w.pass(2 * time.Minute)
	w.expect(ops, "[DOWN] db1: connect refused")
}

func TestThousandDependentsShareTheirParentsMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	router := monitor("router")
	var children []*evaluate.Monitor
	for i := range 1000 {
		children = append(children, monitor(fmt.Sprintf("host%d", i), "router"))
		if i == 500 {
			w.result(router, job.Down)
		}
		w.result(children[i], job.Down)
	}
	w.pass(10 * time.Minute)
	w.expect(ops, "[DOWN ×1001] router: connect refused, and 1000 that depend on it")
	w.result(router, job.Up)
	for _, child := range children {
		w.result(child, job.Up)
	}
	w.pass(10 * time.Minute)
	w.expect(ops, "[DOWN ×1001] router: connect refused, and 1000 that depend on it", "[UP ×1001] router: was down 10 min, and 1000 that depend on it")
	w.check()
}

func TestAddressWithoutParentMailsGetsMailsAboutDependents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	router := monitor("router")
	router.Notify = []string{"net"}
	w.recipient("net", "net@example.org")
	w.result(router, job.Down)
	for i := range 50 {
		w.result(monitor(fmt.Sprintf("host%d", i), "router"), job.Down)
	}
	w.pass(10 * time.Minute)
	w.expect(ops, "[DOWN ×50] monitors that depend on router")
	w.expect("net@example.org", "[DOWN] router: connect refused")
}

func TestDependentThatStaysDownAfterItsParentIsNotified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	router, child := monitor("router"), monitor("child", "router")
	w.result(router, job.Down)
	w.result(child, job.Down)
	w.pass(10 * time.Minute)
	w.result(router, job.Up)
	w.pass(10 * time.Minute)
	w.result(child, job.Up)
	w.pass(10 * time.Minute)
	w.check()
	w.expect(ops, "[DOWN ×2] router: connect refused, and 1 that depend on it", "[UP] router: was down 10 min", "[DOWN] child: connect refused", "[UP] child: was down 20 min")
}

func TestFlappingIsNotifiedInsteadOfEachChange(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	m.Flapping, m.Period = nil, 30*time.Second
	for range 10 { // ten outages in ten minutes
		w.result(m, job.Down)
		w.pass(30 * time.Second)
		w.result(m, job.Up)
		w.pass(30 * time.Second)
	}
	if got := w.subjects(ops); len(got) > 3 || len(got) == 0 {
		t.Errorf("got %v, want one to three mails", got)
	}
	for range 60 {
		w.result(m, job.Up)
		w.pass(30 * time.Second)
	}
	w.expect(ops, "[DOWN] website: connect refused", "[FLAPPING] website: goes up and down; now down: connect refused", "[STABLE] website: up, no longer flapping, after 14 min")
	w.check()
}

func TestNoDataGoesToOperatorsOnly(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	m.Notify = []string{"owner"}
	w.recipient("owner", "owner@example.org")
	w.notifier.Directory().SetSettings(job.Settings{Operators: []string{"oncall"}})
	w.result(m, job.Up)
	for range 6 {
		w.pass(time.Minute)
		w.miss(m)
	}
	w.pass(10 * time.Minute)
	w.result(m, job.Up)
	w.pass(10 * time.Minute)
	w.expect(ops, "[NO DATA] website: no worker takes its checks", "[DATA AGAIN] website: had no data for 15 min")
	w.expect("owner@example.org")
}

func TestEachGroupHasItsOwnMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grouping(job.Grouping{GroupBy: []string{job.GroupByGroup}, GroupWait: seconds(30), GroupInterval: seconds(300), MaxListed: 10})
	for _, name := range []string{"web1", "web2", "db1"} {
		w.result(monitor(name), job.Down)
	}
	w.pass(time.Minute)
	got := map[string]bool{}
	for _, subject := range w.subjects(ops) {
		got[subject] = true
	}
	if diff := cmp.Diff(map[string]bool{"[DOWN ×2] web1 and web2": true, "[DOWN] db1: connect refused": true}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRestartSendsNoMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 500 {
		w.result(monitor(fmt.Sprintf("host%d", i)), job.Down)
	}
	w.pass(time.Minute)
	before := len(w.delivered)
	w.restart() // and each state is read again
	w.recipient("oncall", ops)
	for name := range w.states {
		state := w.states[name]
		w.do(func() error { return w.notifier.Receive(t.Context(), &state) })
	}
	w.do(func() error { return w.notifier.Sweep(t.Context()) })
	w.pass(time.Hour)
	if got := len(w.delivered); got != before || before != 1 {
		t.Errorf("got %d mails, and %d after the restart, want one and no more", before, got)
	}
}

func TestNewAddressIsNotifiedAboutOpenIncidentsOnly(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.result(m, job.Down)
	w.pass(time.Hour)
	w.result(m, job.Up)
	w.pass(48 * time.Hour)
	w.result(m, job.Down)
	w.pass(time.Minute)
	w.recipient("oncall", ops, "new@example.org")
	w.reconcile()
	w.pass(time.Minute)
	w.result(m, job.Up)
	w.pass(time.Hour)
	w.expect("new@example.org", "[STILL DOWN] website: connect refused, for 1 min", "[UP] website: was down 2 min")
	w.check()
}

func TestNotifiedAddressGetsTheEndEvenIfRemovedFromTheFile(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.result(m, job.Down)
	w.pass(time.Hour)
	w.notifier.Directory().Remove("oncall")
	m.Notify = nil
	w.result(m, job.Up)
	w.pass(time.Hour)
	w.expect(ops, "[DOWN] website: connect refused", "[UP] website: was down 1 h")
}

func TestSweepRepairsALostTimer(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.result(m, job.Down)
	clear(w.timers)
	w.now = w.now.Add(time.Minute)
	w.do(func() error { return w.notifier.Sweep(t.Context()) })
	w.pass(time.Second)
	w.expect(ops, "[DOWN] website: connect refused")
}

// story simulates random days of a small installation, the same for the same seed:
// monitors that fail and recover, parents, silences, relay outages for hours.
func story(w *world, seed uint64, days int) {
	w.tb.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	w.recipient("boss", "boss@example.org", ops)
	monitors := []*evaluate.Monitor{monitor("router"), monitor("a", "router"), monitor("b", "router"), monitor("c"), monitor("d"), monitor("flappy")}
	monitors[3].Notify = []string{"oncall", "boss"}
	monitors[5].Flapping = nil
	down := make([]bool, len(monitors))
	for range days * 24 * 60 {
		for i, m := range monitors {
			chance := 400
			if down[i] {
				chance = 15
			}
			if i == 5 {
				chance /= 8
			}
			if random.IntN(chance) == 0 {
				down[i] = !down[i]
			}
			behind := (i == 1 || i == 2) && down[0]
			switch {
			case random.IntN(200) == 0:
				w.miss(m)
			case down[i] || behind:
				w.result(m, job.Down)
			default:
				w.result(m, job.Up)
			}
		}
		if random.IntN(600) == 0 {
			w.relayAway = !w.relayAway
		}
		if random.IntN(900) == 0 {
			id := strconv.Itoa(random.IntN(3))
			w.notifier.Mutes().SetSilence(job.Silence{ID: id, Match: job.Match{Monitors: []string{"[a-c]"}}, Starts: w.now, Ends: w.now.Add(time.Duration(random.IntN(300)) * time.Minute)})
		}
		w.pass(time.Minute)
	}
	w.relayAway = false
	for range 24 * 60 { // all monitors are up in the end
		for _, m := range monitors {
			w.result(m, job.Up)
		}
		w.pass(time.Minute)
	}
}

func TestThirtyDaysNotifyEverythingExactlyOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	story(w, 1, 30)
	w.check()
	if owed := w.owes(); owed != nil {
		t.Errorf("got %v outstanding in the end, want nothing", owed)
	}
	if len(w.delivered) < 100 {
		t.Errorf("got %d mails in 30 days, want more to look at", len(w.delivered))
	}
	t.Logf("%d mails, %d withdrawn", len(w.delivered), len(w.order)-len(w.delivered))
}

func TestCrashesChangeNoMail(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		calm := newWorld(t)
		story(calm, seed, 3)
		wild := newWorld(t)
		wild.crashes = rand.New(rand.NewPCG(seed, 2))
		story(wild, seed, 3)
		wild.check()
		if diff := cmp.Diff(calm.mails, wild.mails); diff != "" {
			t.Fatalf("seed %d: (-calm +with %d crashes):\n%s", seed, wild.crashed, diff)
		}
		if diff := cmp.Diff(calm.delivered, wild.delivered); diff != "" || wild.crashed < 100 {
			t.Fatalf("seed %d: got %d crashes; (-calm +wild):\n%s", seed, wild.crashed, diff)
		}
	}
}

func TestTooManyUpdatesForAMessageAreTwoMails(t *testing.T) {
	t.Parallel()
	s := notify.Input{Now: began.Add(time.Hour)}
	for i := range 50_000 {
		name := fmt.Sprintf("host%d", i)
		s.Logs = append(s.Logs, job.NotificationLog{Monitor: name, Incidents: []job.Notified{{
			ReceivedAt: began, Incident: job.Incident{ID: name, Monitor: name, Condition: job.ConditionDown, Began: began},
		}}})
	}
	d := notify.Plan(s)
	if len(d.Lines) != len(d.Updates) || len(d.Lines) >= 50_000 || d.Next.IsZero() {
		t.Errorf("got %d lines and %d updates, want a part, and a time for the rest", len(d.Lines), len(d.Updates))
	}
	body, err := job.Encode(job.Notification{Updates: d.Updates})
	if err != nil || len(body) > 4<<20 {
		t.Errorf("got a notification of %d bytes, %v, want it to fit into a message", len(body), err)
	}
	for i := range d.Lines {
		if d.Lines[i].Incident.ID != d.Updates[i].Incident {
			t.Fatal("got lines and updates for different monitors")
		}
	}
}

func TestDependentsInOtherGroupsAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grouping(job.Grouping{GroupBy: []string{job.GroupByGroup}, GroupWait: seconds(30), GroupInterval: seconds(300), MaxListed: 10})
	w.result(monitor("router"), job.Down)
	for i := range 5 {
		w.result(monitor(fmt.Sprintf("host%d", i), "router"), job.Down)
	}
	w.pass(time.Hour)
	w.expect(ops, "[DOWN ×6] router: connect refused, and 5 that depend on it")
}
