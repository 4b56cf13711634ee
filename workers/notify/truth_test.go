package notify_test

import (
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
	"vedette/workers/notify"
)

const other = "new@example.org"

// hurried has short intervals.
func hurried() job.Grouping {
	return job.Grouping{GroupWait: seconds(10), GroupInterval: seconds(10), RepeatInterval: seconds(60), MaxListed: 10}
}

func TestFormerRecipientGetsTheEndAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*world, *evaluate.Monitor){
		"taken out of the file": func(w *world, m *evaluate.Monitor) {
			w.notifier.Directory().Remove("oncall")
			m.Notify = []string{"net"}
			w.define(m)
		},
		"taken out of notify":        func(w *world, m *evaluate.Monitor) { m.Notify = []string{"net"}; w.define(m) },
		"the address of a recipient": func(w *world, _ *evaluate.Monitor) { w.recipient("oncall", other); w.reconcile() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, m := newWorld(t), monitor("website")
			w.grouping(hurried())
			w.recipient("net", other)
			w.result(m, job.Down)
			w.pass(15 * time.Second)
			leave(w, m)
			w.pass(10 * time.Minute)
			w.expect(ops, "[DOWN] website: connect refused")
			w.result(m, job.Up)
			w.pass(time.Hour)
			w.expect(ops, "[DOWN] website: connect refused", "[UP] website: was down 10 min")
			w.check()
		})
	}
}

func TestNewRecipientIsNotifiedOfWhatIsStillDown(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.grouping(job.Grouping{GroupWait: seconds(30), GroupInterval: seconds(300), MaxListed: 10})
	w.result(m, job.Down)
	w.pass(5 * time.Minute)
	w.recipient("oncall", other)
	w.reconcile()
	w.pass(29 * time.Second)
	w.expect(other)
	w.pass(2 * time.Second)
	w.expect(other, "[STILL DOWN] website: connect refused, for 5 min")
	if mail := w.mails[w.order[len(w.order)-1]]; !strings.Contains(mail.Text, "Down since:        Sun 1 Mar 2026 12:00:00 UTC") {
		t.Errorf("got %s, want since when it is down", mail.Text)
	}
	w.pass(time.Hour)
	w.result(m, job.Up)
	w.pass(time.Hour)
	w.expect(other, "[STILL DOWN] website: connect refused, for 5 min", "[UP] website: was down 1 h 5 min")
	w.check()
}

func TestGroupByThatChangesWhileDownRepeatsNothing(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	grouping := hurried()
	w.grouping(grouping)
	w.result(m, job.Down)
	w.pass(15 * time.Second)
	for _, by := range []string{job.GroupByGroup, job.GroupByMonitor, job.GroupByGroup} {
		grouping.GroupBy = []string{by}
		w.grouping(grouping)
		w.reconcile()
		w.pass(30 * time.Second)
	}
	w.result(m, job.Up)
	w.pass(time.Hour)
	w.expect(ops, "[DOWN] website: connect refused", "[STILL DOWN] website: for 1 min", "[UP] website: was down 1 min")
	w.check()
}

// Two processes may know different settings for a moment.
func TestMailIsDroppedIfAnotherGroupWasFaster(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	grouping := hurried()
	w.grouping(grouping)
	w.result(m, job.Down)
	w.cutPending = true
	w.now = w.now.Add(11 * time.Second)
	for timer := range w.timers {
		if _, id, _ := strings.Cut(timer, " "); strings.HasPrefix(timer, "flush") {
			if err := w.notifier.Flush(t.Context(), id); err == nil {
				t.Fatal("got no crash after the group was written, want one")
			}
		}
	}
	waiting := w.timers
	w.timers = map[string]time.Time{}
	grouping.GroupBy = []string{job.GroupByMonitor}
	w.grouping(grouping)
	w.reconcile()
	for timer := range waiting {
		delete(w.timers, timer)
	}
	w.pass(15 * time.Second)
	w.expect(ops, "[DOWN] website: connect refused")
	for timer := range waiting { // for the process that goes on where the first one crashed
		w.timers[timer] = w.now
	}
	w.pass(15 * time.Second)
	w.expect(ops, "[DOWN] website: connect refused")
	w.check()
}

// A mail that waits for the relay is withdrawn by whichever group its monitors
// belong to when there is more to report.
func TestWaitingMailOfTheGroupBeforeIsWithdrawn(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	grouping := hurried()
	w.grouping(grouping)
	w.relayAway = true
	w.result(m, job.Down)
	w.pass(30 * time.Second)
	grouping.GroupBy = []string{job.GroupByGroup}
	w.grouping(grouping)
	w.reconcile()
	w.pass(30 * time.Second)
	w.result(m, job.Up)
	w.pass(30 * time.Second)
	w.relayAway = false
	w.pass(time.Minute)
	w.expect(ops, "[UP] website: was down 1 min")
	w.check()
}

func TestReminderComesBackAfterASilence(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.grouping(hurried())
	w.result(m, job.Down)
	w.pass(30 * time.Second)
	w.notifier.Mutes().SetSilence(job.Silence{ID: "s", Match: job.Match{Monitors: []string{"website"}}, Starts: w.now, Ends: began.Add(3 * time.Minute)})
	w.pass(2*time.Minute + 29*time.Second)
	w.expect(ops, "[DOWN] website: connect refused")
	w.pass(2 * time.Second)
	w.expect(ops, "[DOWN] website: connect refused", "[STILL DOWN] website: for 3 min")
	w.pass(time.Minute)
	w.expect(ops, "[DOWN] website: connect refused", "[STILL DOWN] website: for 3 min", "[STILL DOWN] website: for 4 min")
}

func TestChildThatWasListedUnderItsParentGetsItsEnd(t *testing.T) {
	t.Parallel()
	const both = "[DOWN ×2] router: connect refused, and 1 that depend on it"
	w := newWorld(t)
	router, child := monitor("router"), monitor("child", "router")
	w.result(router, job.Down)
	w.result(child, job.Down)
	w.pass(10 * time.Minute)
	w.result(router, job.Up)
	w.pass(time.Minute)
	w.result(child, job.Up) // one slot later
	w.pass(10 * time.Minute)
	w.expect(ops, both, "[UP] router: was down 10 min", "[UP] child: was down 11 min")
	w.check()

	w = newWorld(t) // before its parent
	w.result(router, job.Down)
	w.result(child, job.Down)
	w.pass(10 * time.Minute)
	w.result(child, job.Up)
	w.pass(10 * time.Minute)
	w.result(router, job.Up)
	w.pass(10 * time.Minute)
	w.expect(ops, both, "[UP] child: was down 10 min", "[UP] router: was down 20 min")
	w.check()

	w = newWorld(t) // behind a parent that the address gets no mail about
	w.recipient("net", other)
	router.Notify = []string{"net"}
	w.result(router, job.Down)
	w.result(child, job.Down)
	w.pass(10 * time.Minute)
	w.result(router, job.Up)
	w.pass(time.Minute)
	w.result(child, job.Up)
	w.pass(10 * time.Minute)
	w.expect(ops, "[DOWN] child: connect refused, depends on router", "[UP] child: was down 11 min")
	w.check()
}

func TestReminderSaysWhatIsWrongNow(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.grouping(hurried())
	w.fail(m, job.ClassStatus, "status 503 Service Unavailable")
	w.pass(30 * time.Second)
	w.fail(m, job.ClassConnect, "connect refused")
	w.pass(45 * time.Second)
	w.expect(ops, "[DOWN] website: status 503 Service Unavailable", "[STILL DOWN] website: for 1 min; now connect refused")
	mail := w.mails[w.order[1]]
	for _, part := range []string{"connect refused. It began with: status 503", "Cause:             answer: status 503", "Cause now:         connection: connect refused"} {
		if !strings.Contains(mail.Text, part) {
			t.Errorf("got no %q in\n%s", part, mail.Text)
		}
	}

	w = newWorld(t) // for several
	w.grouping(hurried())
	b := monitor("b")
	w.fail(m, job.ClassStatus, "status 503")
	w.fail(b, job.ClassStatus, "status 503")
	w.pass(30 * time.Second)
	w.fail(m, job.ClassConnect, "connect refused")
	w.fail(b, job.ClassStatus, "status 503")
	w.pass(45 * time.Second)
	if mail := w.mails[w.order[1]]; strings.Count(mail.Text, "; now connect refused") != 1 {
		t.Errorf("got\n%s\nwant the cause now for the one that changed", mail.Text)
	}
}

func TestReminderSaysWhatEachLocationFindsNow(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.grouping(hurried())
	m.Locations = []string{"fra", "nyc"}
	find := func(location, cause string) {
		w.evaluate(m, job.Result{Monitor: m.Name, Slot: w.now, Location: location, ProbeResult: &job.ProbeResult{Health: job.Down, Class: job.ClassConnect, Cause: cause}})
	}
	find("fra", "connect refused")
	find("nyc", "connect refused")
	w.pass(30 * time.Second)
	find("nyc", "no route to host")
	w.pass(45 * time.Second)
	w.expect(ops, "[DOWN] website: connect refused (2 of 2 locations)",
		"[STILL DOWN] website: for 1 min; now fra: down: connect refused, nyc: down: no route to host")
}

func TestPausedMonitorIsReportedOnceAndTheTruthWhenItGoesOn(t *testing.T) {
	t.Parallel()
	for _, up := range []bool{true, false} {
		w, m := newWorld(t), monitor("website")
		w.grouping(hurried())
		w.result(m, job.Down)
		w.pass(30 * time.Second)
		m.Paused = true
		w.define(m)
		w.pass(time.Hour)
		want := []string{"[DOWN] website: connect refused", "[PAUSED] website: last seen down: connect refused"}
		w.expect(ops, want...)
		m.Paused = false
		w.define(m)
		w.pass(time.Minute)
		w.expect(ops, want...)
		if up {
			w.result(m, job.Up)
			want = append(want, "[UP] website: was down 1 h 1 min")
		} else {
			w.result(m, job.Down)
			want = append(want, "[STILL DOWN] website: connect refused, for 1 h 1 min")
		}
		w.pass(30 * time.Second)
		w.expect(ops, want...)
		w.check()
	}

	w, m := newWorld(t), monitor("website") // before its mail left
	w.result(m, job.Down)
	m.Paused = true
	w.define(m)
	w.pass(time.Hour)
	w.expect(ops)
	m.Paused = false
	w.result(m, job.Up)
	w.pass(time.Hour)
	w.expect(ops, "[UP] website: was down 1 h")
}

func TestSilencesMatchWhatTheDefinitionSaysNow(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.notifier.Mutes().SetSilence(job.Silence{ID: "s", Match: job.Match{Labels: map[string]string{"env": "test"}}, Starts: began, Ends: began.Add(time.Hour)})
	w.result(m, job.Down)
	m.Labels = map[string]string{"env": "test"}
	w.define(m)
	w.pass(59 * time.Minute)
	w.expect(ops)
	w.pass(2 * time.Minute)
	w.expect(ops, "[DOWN] website: connect refused")
}

func TestIntervalsApplyToWhatIsDownAlready(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.result(m, job.Down)
	w.pass(10 * time.Minute)
	w.grouping(hurried())
	w.reconcile()
	w.pass(time.Second)
	w.expect(ops, "[DOWN] website: connect refused", "[STILL DOWN] website: for 10 min")
}

func TestMonitorPutBackAndDownAgainIsNotHiddenByItsRemoval(t *testing.T) {
	t.Parallel()
	w, a, b := newWorld(t), monitor("a"), monitor("b")
	w.file.monitors = map[string]*evaluate.Monitor{}
	w.result(a, job.Down)
	w.pass(time.Minute)
	w.undefine("a")
	w.now = w.now.Add(time.Second)
	w.result(a, job.Down)
	w.result(b, job.Down)
	w.pass(10 * time.Minute)
	w.expect(ops, "[DOWN] a: connect refused", "[DOWN ×2] a and b")
	if mail := w.mails[w.order[1]]; !strings.Contains(mail.Text, "a: connect refused; also REMOVED, monitor removed, it was down for 1 min") {
		t.Errorf("got\n%s\nwant the removal too", mail.Text)
	}
	w.check()
}

func TestOperatorsThatChangeWhileDataIsMissing(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.recipient("net", other)
	w.notifier.Directory().SetSettings(job.Settings{Operators: []string{"oncall"}})
	w.result(m, job.Up)
	for range 4 {
		w.pass(time.Minute)
		w.miss(m)
	}
	w.pass(10 * time.Minute)
	w.notifier.Directory().SetSettings(job.Settings{Operators: []string{"net"}})
	w.reconcile()
	w.pass(time.Minute)
	w.result(m, job.Up)
	w.pass(10 * time.Minute)
	w.expect(ops, "[NO DATA] website: no worker takes its checks", "[DATA AGAIN] website: had no data for 14 min")
	w.expect(other, "[STILL NO DATA] website: no worker takes its checks, for 13 min", "[DATA AGAIN] website: had no data for 14 min")
}

func TestMailOnWhichATemplateFailsLeavesWithTheBuiltInText(t *testing.T) {
	t.Parallel()
	var failures []string
	words, err := notify.NewRenderer(notify.Templates{
		Text: `{{.Headline}} by a template{{range .Facts}}{{if eq .Name "Target"}}{{.Nothing}}{{end}}{{end}}`, Failed: func(err error) { failures = append(failures, err.Error()) },
	})
	if err != nil {
		t.Fatalf("got %v, want templates that pass their trial", err)
	}
	w := newWorldWith(t, words)
	w.grouping(hurried())
	a, b := monitor("a"), monitor("b")
	w.result(a, job.Down)
	w.pass(30 * time.Second)
	w.result(b, job.Down)
	w.result(a, job.Up)
	w.pass(30 * time.Second)
	w.expect(ops, "[DOWN] a: connect refused", "[DOWN ×1, UP ×1] b and a")
	first, second := w.mails[w.order[0]], w.mails[w.order[1]]
	const note = "The template for this mail failed, so it has the built-in text: write text: template: text:1:"
	if !strings.Contains(first.Text, "a is down: connect refused.\n\nMonitor:") || !strings.Contains(first.Text, note) || !strings.Contains(first.HTML, "The template for this mail failed") {
		t.Errorf("got\n%s\nwant the built-in text, and that the template failed", first.Text)
	}
	if len(failures) != 1 || !strings.Contains(failures[0], "Nothing") {
		t.Errorf("got failures %q, want the first mail's", failures)
	}
	if !strings.Contains(second.Text, "by a template") || strings.Contains(second.Text, "failed") {
		t.Errorf("got\n%s\nwant the template's text", second.Text)
	}
}

func TestExplanationShowsWhoBecameAndWhoIsNoRecipient(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	w.result(m, job.Down)
	w.pass(time.Minute)
	w.recipient("oncall", other) // and no look since
	_, notified, err := w.explainer().Explain(t.Context(), &m.Monitor)
	if err != nil || len(notified) != 2 {
		t.Fatalf("got %+v, %v, want both addresses", notified, err)
	}
	joined, former := &notified[0], &notified[1]
	if joined.Address != other || joined.Former || !joined.Incidents[0].Joined || !joined.NextMail.Equal(w.now.Add(30*time.Second)) {
		t.Errorf("got %+v, want what is still down for the new address, after the wait", joined)
	}
	if former.Address != ops || !former.Former || former.Incidents[0].NotifiedBy == "" || !former.NextMail.IsZero() || len(former.Held) != 0 {
		t.Errorf("got %+v, want nothing more for the former address", former)
	}
	if len(w.keys) != 2 {
		t.Errorf("got %d keys, want none written by an explanation", len(w.keys))
	}
}

func TestMonitorThatMovesToAnotherGroupIsStillReminded(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), monitor("website")
	grouping := hurried()
	grouping.GroupBy = []string{job.GroupByGroup}
	w.grouping(grouping)
	w.result(m, job.Down)
	w.pass(30 * time.Second)
	m.Group = "other"
	w.define(m)
	w.pass(2 * time.Minute)
	w.result(m, job.Up)
	w.pass(time.Minute)
	w.expect(ops, "[DOWN] website: connect refused", "[STILL DOWN] website: for 1 min", "[STILL DOWN] website: for 2 min", "[UP] website: was down 2 min")
	w.check()
}
