package notify_test

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/notify"
)

var (
	sequences = flag.Int("sequences", 2000, "random sequences of changes")
	firstSeed = flag.Uint64("seed", 1, "seed for the first sequence; 0 takes one from the clock")
)

// After any sequence of changes to the file, transitions and crashes, what every
// address was last notified about is what it should know, and no address was
// notified twice about the same.
//
// Each run takes other sequences, and prints what repeats them. For more:
//
//	go test ./workers/notify -run WhatAddresses -sequences 100000
//
// The table behind it, what changed while a monitor was down and what each address
// must have heard at the end:
//
//	what changed                      who got the DOWN mail          who did not
//	recipient added, address added    –                              STILL DOWN, later UP
//	recipient or address removed      UP, and nothing before that    nothing
//	recipient renamed, address shared as if nothing had changed      nothing
//	notify, routes                    as added or removed            as added or removed
//	group_by, intervals, group, label one UP, reminders as set now   –
//	silence or window began           UP after its end               DOWN after its end
//	silence or window ended early     reminders go on                DOWN
//	paused                            PAUSED once, no reminders      nothing
//	resumed, still down               STILL DOWN                     DOWN
//	dependency added                  UP                             listed under its parent
//	dependency removed, parent gone   UP                             DOWN, even if listed before
//	monitor removed, renamed          REMOVED                        nothing
//	monitor put back                  DOWN when it is down again     DOWN when it is down again
//	target changed                    UP when the new one is up      –
//	operators (no data)               as recipients                  as recipients
//	an older file, two files in turn  as the sum of these changes    as the sum of these changes
func TestWhatAddressesWereNotifiedIsWhatTheyShouldKnow(t *testing.T) {
	t.Parallel()
	seed := cmp.Or(*firstSeed, uint64(time.Now().UnixNano()))
	t.Logf("repeat with -seed %d", seed)
	began, crashes, mails := time.Now(), atomic.Int64{}, atomic.Int64{}
	var words renderers
	var err error
	if words.working, err = notify.NewRenderer(notify.Templates{}); err != nil {
		t.Fatal(err)
	}
	if words.failing, err = notify.NewRenderer(notify.Templates{Text: `{{range .Facts}}{{if eq .Name "Target"}}{{.Nothing}}{{end}}{{end}}` + builtIn(t)}); err != nil {
		t.Fatal(err)
	}
	if testing.Short() {
		*sequences /= 10
	}
	const workers = 4
	for worker := range workers {
		t.Run(strconv.Itoa(worker), func(t *testing.T) {
			t.Parallel()
			for i := worker; i < *sequences && !t.Failed(); i += workers {
				own := seed + uint64(i)
				changes := randomChanges(own)
				result := play(t, words, own, changes, nil)
				crashes.Add(int64(result.crashes))
				mails.Add(int64(result.mails))
				if result.problem != "" {
					explainFailure(t, words, own, changes)
				}
			}
		})
	}
	t.Cleanup(func() {
		t.Logf("%d sequences in %s: %d crashes, %d mails", *sequences, time.Since(began).Round(time.Millisecond), crashes.Load(), mails.Load())
	})
}

// renderers write mails; one of them has a template that fails on some.
type renderers struct{ working, failing *notify.Renderer }

// builtIn returns the built-in template for the text.
func builtIn(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("mail.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// randomChanges returns random changes: in half of the sequences of a few kinds
// only, which then meet more often.
func randomChanges(seed uint64) []change {
	random := rand.New(rand.NewPCG(seed, 11))
	changes := make([]change, 4+random.IntN(14))
	few := []string{"toggle", "toggle", "wait"}
	for range 3 {
		few = append(few, pick(kinds(), random.IntN(1000)))
	}
	for i := range changes {
		all := kinds()
		if seed%4 < 2 {
			all = few
		}
		if i < 2 {
			all = []string{"toggle"}
		}
		changes[i] = change{kind: pick(all, random.IntN(1000)), a: random.IntN(60), b: random.IntN(60), c: random.IntN(60)}
	}
	return changes
}

// explainFailure leaves out what the failure does not need, and prints the rest.
func explainFailure(t *testing.T, words renderers, seed uint64, changes []change) {
	t.Helper()
	for i := 0; i < len(changes); {
		fewer := slices.Delete(slices.Clone(changes), i, i+1)
		if play(t, words, seed, fewer, nil).problem != "" {
			changes = fewer
		} else {
			i++
		}
	}
	var steps []string
	result := play(t, words, seed, changes, &steps)
	t.Errorf("seed %d: %s\nafter %v\n%s", seed, result.problem, changes, strings.Join(steps, "\n"))
}

// outcome is the outcome of a sequence.
type outcome struct {
	problem        string
	crashes, mails int
}

// recorder is a test's result in a sequence, which may be one of many attempts.
type recorder struct {
	testing.TB

	problems []string
}

type stop struct{}

func (*recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); panic(stop{}) }
func (r *recorder) Fatal(args ...any)                 { r.Fatalf("%s", fmt.Sprint(args...)) }

// play plays a sequence of changes, and then lets everything come to rest.
func play(t *testing.T, words renderers, seed uint64, changes []change, steps *[]string) (result outcome) {
	t.Helper()
	r := &recorder{TB: t}
	var w *world
	defer func() {
		if stopped := recover(); stopped != nil && stopped != (stop{}) {
			panic(stopped)
		}
		result.problem = strings.Join(r.problems, "\n")
		result.crashes, result.mails = w.crashed, len(w.delivered)
	}()
	w = newWorldWith(r, words.working)
	w.failing = words.failing
	w.steps = steps
	w.notifier.Directory().Remove("oncall")
	if seed%2 == 0 {
		w.crashes, w.crashRate = rand.New(rand.NewPCG(seed, 12)), 40
	}
	w.apply(firstFile())
	if seed%3 == 0 {
		w.addBehind(seed)
		w.lags = seed%6 == 0
	}
	o := &oracle{w: w, was: map[string]bool{}, left: map[string]time.Time{}, patience: 2 * time.Second}
	if w.behind != nil {
		o.patience = 3 * time.Minute
	}
	w.minute()
	for _, c := range changes {
		w.log("change %s", c)
		w.make(c)
		o.note()
		if c.c%5 > 1 {
			w.minute()
		} else {
			w.pass(time.Duration(c.b) * time.Second)
		}
	}
	w.rest()
	o.compare()
	w.check()
	return result
}

func (w *world) log(format string, args ...any) {
	if w.steps != nil {
		*w.steps = append(*w.steps, w.now.Format("15:04:05 ")+fmt.Sprintf(format, args...))
	}
}

// minute gives each monitor a result, and lets a minute pass.
func (w *world) minute() {
	w.tb.Helper()
	w.catchUp()
	for _, name := range names(w.file.monitors) {
		m := w.file.monitors[name]
		root := strings.TrimRight(name, "x")
		before := w.states[name].Sequence
		switch {
		case m.Paused:
		case w.blind[root]:
			w.miss(m)
		case w.ill[root]:
			w.result(m, job.Down)
		default:
			w.result(m, job.Up)
		}
		if state := w.states[name]; state.Sequence != before {
			w.log("%s is %s, no data: %t", name, state.Health, state.NoData != nil)
		}
	}
	w.pass(time.Minute)
}

// rest ends all mutes and the outage of the relay, and lets time pass without
// further changes: for a slot, the time that children have after their parents,
// and the wait and the interval of a group.
func (w *world) rest() {
	w.tb.Helper()
	w.log("rest")
	w.relayAway = false
	for id := range w.silences {
		w.notifier.Mutes().RemoveSilence(id)
	}
	clear(w.silences)
	calm := w.file.clone()
	calm.settings.Maintenance = nil
	w.apply(calm)
	w.do(func() error { return w.notifier.SweepIn(w.tb.Context(), 0) })
	for range 6 {
		w.minute()
	}
}

// oracle knows what addresses should know, from the file and the states alone.
type oracle struct {
	w    *world
	was  map[string]bool      // recipients, by address and monitor
	left map[string]time.Time // when an address ceased to be a recipient
	// patience is how long after that another process may not know it.
	patience time.Duration
}

func key(address, monitor string) string { return address + " " + monitor }

// note records who is a recipient.
func (o *oracle) note() {
	for _, address := range everyAddress() {
		for _, name := range everyMonitor() {
			k, is := key(address, name), o.concerned(address, name)
			if o.was[k] && !is {
				o.left[k] = o.w.now
			}
			if is {
				delete(o.left, k)
			}
			o.was[k] = is
		}
	}
}

func everyAddress() []string {
	return []string{"ops@example.org", "boss@example.org", "night@example.org", "new@example.org"}
}

func everyMonitor() []string {
	var all []string
	for _, root := range []string{"router", "a", "b", "c"} {
		for n := range 10 - len(root) {
			all = append(all, root+strings.Repeat("x", n))
		}
	}
	return all
}

func (o *oracle) concerned(address, name string) bool {
	m := o.w.file.monitors[name]
	return m != nil && slices.Contains(o.w.file.addresses(m.Notify), address)
}

// compare compares what the mails said with what the addresses should know.
func (o *oracle) compare() {
	w := o.w
	w.tb.Helper()
	last, data := map[string]said{}, map[string]said{}
	for _, id := range w.delivered {
		mail := w.mails[id]
		w.log("%s to %s: %s", mail.Date.Format("15:04:05"), mail.To, mail.Subject)
		for _, s := range read(&mail) {
			k := key(mail.To, s.monitor)
			if s.data {
				data[k] = s
				continue
			}
			if before := last[k]; s.what == newsDown && before.what == newsDown && !s.repeats && !s.listed && !before.listed {
				w.tb.Errorf("%s: got %q, and was notified that it is down before", k, mail.Subject)
			}
			if s.repeats && last[k].what == newsPaused {
				w.tb.Errorf("%s: got %q while it is paused", k, mail.Subject)
			}
			if left, is := o.left[k]; is && mail.Date.After(left.Add(o.patience)) && s.what != newsUp && s.what != newsRemoved {
				w.tb.Errorf("%s: got %q at %s, and is no recipient since %s", k, mail.Subject, mail.Date.Format(time.TimeOnly), left.Format(time.TimeOnly))
			}
			last[k] = s
		}
	}
	for _, address := range everyAddress() {
		for _, name := range everyMonitor() {
			o.compareHealth(address, name, last[key(address, name)].what)
			o.compareData(address, name, data[key(address, name)].what)
		}
	}
}

// compareHealth compares what an address knows about a monitor's health.
func (o *oracle) compareHealth(address, name string, knows news) {
	o.w.tb.Helper()
	m, state := o.w.file.monitors[name], o.w.states[name]
	var want []news
	switch concerned := o.concerned(address, name); {
	case m == nil:
		want = []news{"", newsUp, newsRemoved}
	case state.Incident == nil:
		want = []news{"", newsUp, newsRemoved}
	case m.Paused && concerned:
		want = []news{"", newsUp, newsRemoved, newsPaused}
	case concerned && o.behind(address, name):
		want = []news{"", newsUp, newsRemoved, newsDown} // the parent's mail says it
	case concerned:
		want = []news{newsDown}
	default:
		return // whatever it knew when it left
	}
	if !slices.Contains(want, knows) {
		o.w.tb.Errorf("%s: knows %q, want one of %q", key(address, name), knows, want)
	}
}

// behind reports whether a monitor that this one depends on is down, and the
// address gets mails about that.
func (o *oracle) behind(address, name string) bool {
	return slices.ContainsFunc(o.w.file.monitors[name].DependsOn, func(parent string) bool {
		m := o.w.file.monitors[parent]
		return m != nil && !m.Paused && (o.w.states[parent].Incident != nil && o.concerned(address, parent) || o.behind(address, parent))
	})
}

// compareData compares what an address knows about missing data.
func (o *oracle) compareData(address, name string, knows news) {
	o.w.tb.Helper()
	m, state := o.w.file.monitors[name], o.w.states[name]
	operator := slices.Contains(o.w.file.addresses(o.w.file.settings.Operators), address)
	missing := m != nil && state.NoData != nil
	switch {
	case missing && operator && !m.Paused && knows != newsNoData, !missing && knows == newsNoData:
		o.w.tb.Errorf("%s: knows %q about its data, and its data is missing: %t", key(address, name), knows, missing)
	}
}
