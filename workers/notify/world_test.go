package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/evaluate"
	"vedette/workers/notify"
)

// began is the time at which all tests begin.
var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var errCrash = errors.New("crashed")

// world is a notifier's environment in memory, with its own clock: a store, timers,
// a mail queue and a relay. It can crash the notifier before and after each of its
// actions, which are then repeated.
type world struct {
	tb       testing.TB
	mu       sync.Mutex // for calls from the notifier
	now      time.Time
	notifier *notify.Notifier
	// behind is another notifier that learns of definitions later; nil for none.
	behind *notify.Notifier
	turns  *rand.Rand // whose turn it is
	// With lags, notifiers see writes of others later: unseen are those.
	lags   bool
	unseen []notify.Entry
	words  *notify.Renderer
	// failing is a renderer whose template fails on mails, for random changes.
	failing *notify.Renderer

	keys          map[string]notify.Entry
	revision      uint64
	timers        map[string]time.Time // by "kind id"
	mails         map[string]job.Mail  // enqueued
	order         []string
	sent          map[string]job.Delivery
	notifications map[string]job.Notification // ever pending in a group

	relayAway bool
	delivered []string // ids, in order

	defined map[string]job.Monitor
	states  map[string]job.State
	crashes *rand.Rand // nil for none
	crashed int
	// crashRate is how many actions there are for each crash.
	crashRate int
	// cutPending crashes the notifier once, after it has written a pending mail.
	cutPending bool

	// For random changes: the file and those before, the silences, and the targets
	// that are ill or cannot be checked.
	file       definitions
	history    []definitions
	silences   map[string]job.Silence
	ill, blind map[string]bool
	steps      *[]string // what happened, for people; nil for nothing
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	return newWorldWith(tb, nil)
}

// newWorldWith returns a world whose mails are written by a renderer; nil makes
// one.
func newWorldWith(tb testing.TB, words *notify.Renderer) *world {
	tb.Helper()
	w := &world{
		tb: tb, words: words, now: began, keys: map[string]notify.Entry{}, timers: map[string]time.Time{}, mails: map[string]job.Mail{},
		sent: map[string]job.Delivery{}, notifications: map[string]job.Notification{}, defined: map[string]job.Monitor{}, states: map[string]job.State{},
		crashRate: 12, silences: map[string]job.Silence{}, ill: map[string]bool{}, blind: map[string]bool{},
	}
	w.restart()
	w.recipient("oncall", "ops@example.org")
	return w
}

// restart replaces the notifier with one without memory.
func (w *world) restart() {
	var err error
	if w.words == nil {
		if w.words, err = notify.NewRenderer(notify.Templates{}); err != nil {
			w.tb.Fatal(err)
		}
	}
	w.notifier, err = notify.New(notify.Config{
		Store: w, Outbox: w, Deliveries: w, Timers: w, Renderer: w.words, Now: func() time.Time { return w.now }, Lookup: w,
	})
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, e := range w.keys {
		w.deliver(e)
	}
}

// observe passes a write to the notifiers, as a watch does.
func (w *world) observe(e notify.Entry) {
	if w.lags {
		w.unseen = append(w.unseen, e)
		return
	}
	w.deliver(e)
}

// catchUpTo passes on the writes up to a revision that the notifiers have not seen.
func (w *world) catchUpTo(revision uint64) {
	for len(w.unseen) > 0 && w.unseen[0].Revision <= revision {
		w.deliver(w.unseen[0])
		w.unseen = w.unseen[1:]
	}
}

func (w *world) deliver(e notify.Entry) {
	for _, n := range []*notify.Notifier{w.notifier, w.behind} {
		if n == nil {
			continue
		}
		if err := n.Index().Observe(e); err != nil {
			w.tb.Fatal(err)
		}
	}
}

func (w *world) recipient(name string, addresses ...string) {
	w.notifier.Directory().Set(job.Recipient{Name: name, Addresses: addresses})
}

// grouping sets the grouping for all recipients.
func (w *world) grouping(g job.Grouping) {
	w.notifier.Directory().SetSettings(job.Settings{Grouping: &g, Operators: []string{"oncall"}})
}

func seconds(n int) job.Duration { return job.Duration(time.Duration(n) * time.Second) }

// point is where the notifier may crash.
func (w *world) point() error {
	if w.crashes != nil && w.crashes.IntN(w.crashRate) == 0 {
		w.crashed++
		return errCrash
	}
	return nil
}

// do repeats an action while it crashes.
func (w *world) do(what func() error) {
	w.tb.Helper()
	swapped := false
	defer func() {
		if swapped {
			w.notifier, w.behind = w.behind, w.notifier
		}
	}()
	for range 10_000 {
		if w.behind != nil && w.turns.IntN(2) == 0 {
			w.notifier, w.behind, swapped = w.behind, w.notifier, !swapped
		}
		err := what()
		if err == nil {
			return
		}
		if !errors.Is(err, errCrash) {
			w.tb.Fatalf("at %s: %v", w.now, err)
		}
		if w.file.monitors != nil && w.crashes.IntN(2) == 0 {
			w.takeOver() // another process goes on
		}
	}
	w.tb.Fatalf("at %s: got endless crashes", w.now)
}

func matches(filter, key string) bool {
	want, have := strings.Split(filter, "."), strings.Split(key, ".")
	for i, token := range want {
		if token == ">" {
			return len(have) > i
		}
		if i >= len(have) || token != "*" && token != have[i] {
			return false
		}
	}
	return len(want) == len(have)
}

func (w *world) Load(_ context.Context, filter string) ([]notify.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []notify.Entry
	for key, e := range w.keys {
		if matches(filter, key) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b notify.Entry) int { return strings.Compare(a.Key, b.Key) })
	return found, w.point()
}

func (w *world) Get(_ context.Context, key string) (notify.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if isGroup(key) {
		w.catchUpTo(w.keys[key].Revision) // a flush waits for that
	}
	return w.keys[key], w.point()
}

func (w *world) Swap(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.point(); err != nil {
		return 0, err
	}
	if w.keys[key].Revision != revision {
		return 0, job.ErrConflict
	}
	w.revision++
	w.keys[key] = notify.Entry{Key: key, Value: value, Revision: w.revision}
	w.observe(w.keys[key])
	if isGroup(key) {
		var m job.NotificationGroup
		if err := json.Unmarshal(value, &m); err != nil {
			w.tb.Fatal(err)
		}
		if m.Pending != nil {
			w.notifications[m.Pending.ID] = *m.Pending
			if w.cutPending {
				w.cutPending = false
				return 0, errCrash
			}
		}
	}
	return w.revision, w.point()
}

func isGroup(key string) bool { return strings.Count(key, ".") == 1 }

func (w *world) Enqueue(_ context.Context, m job.Mail, _ bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.point(); err != nil {
		return err
	}
	if known, ok := w.mails[m.ID]; ok {
		if known.Text != m.Text || known.Subject != m.Subject {
			w.tb.Errorf("got two mails under one id: %q and %q", known.Subject, m.Subject)
		}
		return w.point()
	}
	w.mails[m.ID] = m
	w.order = append(w.order, m.ID)
	return w.point()
}

func (w *world) Delivery(_ context.Context, id string) (job.Delivery, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent, ok := w.sent[id]
	return sent, ok, w.point()
}

func (w *world) Withdraw(_ context.Context, id string, at time.Time) (job.Delivery, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.point(); err != nil {
		return job.Delivery{}, err
	}
	if sent := w.sent[id]; sent.State != job.DeliverySent && sent.State != job.DeliverySending {
		w.sent[id] = job.Delivery{ID: id, At: at, State: job.DeliveryWithdrawn}
	}
	return w.sent[id], w.point()
}

func (w *world) SetTimer(_ context.Context, what, id string, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.point(); err != nil {
		return err
	}
	w.timers[what+" "+id] = at
	return w.point()
}

// Monitor, State and Failing look up parents.
func (w *world) Monitor(_ context.Context, name string) (job.Monitor, bool, error) {
	m, ok := w.defined[name]
	return m, ok, nil
}

func (w *world) State(_ context.Context, name string) (job.State, error) {
	return w.states[name], nil
}

func (w *world) OpenStates(_ context.Context, each func(*job.State) error) error {
	for _, name := range slices.Sorted(maps.Keys(w.states)) {
		if state := w.states[name]; len(state.Open()) > 0 {
			if err := each(&state); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) Failing(_ context.Context, m *job.Monitor) bool { return w.states[m.Name].Failures > 0 }

// result evaluates a monitor's result, and passes new events to the notifier.
func (w *world) result(m *evaluate.Monitor, health job.Health) {
	w.tb.Helper()
	outcome := &job.ProbeResult{Health: health}
	if health == job.Down {
		outcome.Class, outcome.Cause = job.ClassConnect, "connect refused"
	}
	w.evaluate(m, job.Result{Monitor: m.Name, Slot: w.now, ProbeResult: outcome})
}

// fail evaluates a failure with a cause.
func (w *world) fail(m *evaluate.Monitor, class job.Class, cause string) {
	w.tb.Helper()
	w.evaluate(m, job.Result{Monitor: m.Name, Slot: w.now, ProbeResult: &job.ProbeResult{Health: job.Down, Class: class, Cause: cause}})
}

func (w *world) miss(m *evaluate.Monitor) {
	w.tb.Helper()
	w.evaluate(m, job.Result{Monitor: m.Name, Slot: w.now, Miss: &job.Miss{Reason: job.MissNoWorker, Count: 1, Last: w.now}})
}

func (w *world) evaluate(m *evaluate.Monitor, r job.Result) {
	w.tb.Helper()
	w.defined[m.Name] = m.Monitor
	change := evaluate.Step(w.states[m.Name], r, *m)
	w.states[m.Name] = change.State
	if change.Write {
		w.do(func() error { return w.notifier.Receive(w.tb.Context(), &change.State) })
	}
}

// pass lets time go by, fires timers when they are due, and has the relay deliver
// queued mails.
func (w *world) pass(d time.Duration) {
	w.tb.Helper()
	end := w.now.Add(d)
	for {
		w.fire()
		w.relay()
		next := end
		for _, at := range w.timers {
			if at.After(w.now) && at.Before(next) {
				next = at
			}
		}
		if !next.After(w.now) {
			return
		}
		w.now = next
		w.catchUpTo(w.revision)
	}
}

// fire handles the timers that are due.
func (w *world) fire() {
	w.tb.Helper()
	for range 1000 {
		due := ""
		for key, at := range w.timers {
			if !at.After(w.now) && (due == "" || key < due) {
				due = key
			}
		}
		if due == "" {
			return
		}
		what, id, _ := strings.Cut(due, " ")
		delete(w.timers, due)
		w.do(func() error {
			if what == notify.TimerSweep {
				return w.notifier.HandleSweep(w.tb.Context(), id)
			}
			return w.notifier.Flush(w.tb.Context(), id)
		})
	}
	w.tb.Fatalf("at %s: got timers that stay due", w.now)
}

func (w *world) relay() {
	if w.relayAway {
		return
	}
	for _, id := range w.order {
		late := w.mails[id].NotAfter
		if sent := w.sent[id]; !sent.Final() && (late.IsZero() || !w.now.After(late)) {
			w.sent[id] = job.Delivery{ID: id, State: job.DeliverySent}
			w.delivered = append(w.delivered, id)
		}
	}
}

// subjects are the subjects of an address's mails, in order.
func (w *world) subjects(address string) []string {
	var subjects []string
	for _, id := range w.delivered {
		if m := w.mails[id]; m.To == address {
			subjects = append(subjects, m.Subject)
		}
	}
	return subjects
}

func (w *world) expect(address string, want ...string) {
	w.tb.Helper()
	got := w.subjects(address)
	if !slices.Equal(got, want) {
		w.tb.Errorf("%s: got mails\n  %s\nwant\n  %s", address, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// check checks all delivered mails: each beginning and each end was notified once,
// and no end without its beginning.
func (w *world) check() {
	w.tb.Helper()
	type count struct{ begun, listed, ended int }
	counts := map[string]*count{} // by address and incident
	for _, id := range w.delivered {
		for _, t := range w.notifications[id].Updates {
			if t.Suppressed {
				continue
			}
			key := w.mails[id].To + " " + t.Monitor + " " + t.Incident
			if counts[key] == nil {
				counts[key] = &count{}
			}
			if t.Firing {
				counts[key].begun++
			}
			if t.Listed {
				counts[key].listed++
			}
			if t.Resolved {
				counts[key].ended++
				if counts[key].begun+counts[key].listed == 0 {
					w.tb.Errorf("%s: got an end before its beginning", key)
				}
			}
		}
	}
	for key, h := range counts {
		if h.begun > 1 || h.listed > 1 || h.begun+h.listed == 0 || h.ended > 1 {
			w.tb.Errorf("%s: got the beginning %d times, %d times under a parent, and the end %d times", key, h.begun, h.listed, h.ended)
		}
		monitor := strings.Fields(key)[1]
		state, open := w.states[monitor], false
		for _, incident := range state.Open() {
			open = open || strings.HasSuffix(key, " "+incident.ID)
		}
		if !open && h.ended == 0 {
			w.tb.Errorf("%s: got no end, and it is over", key)
		}
	}
}

// owes lists the logs with outstanding notifications.
func (w *world) owes() []string {
	var keys []string
	for key, e := range w.keys {
		if isGroup(key) {
			continue
		}
		log, err := job.Decode[job.NotificationLog](e.Value)
		if err != nil {
			w.tb.Fatal(err)
		}
		if slices.ContainsFunc(log.Incidents, outstanding) {
			keys = append(keys, key+" "+strconv.Itoa(len(log.Incidents)))
		}
	}
	return keys
}

// outstanding reports whether the beginning or the end of an incident is yet to be
// notified.
func outstanding(i job.Notified) bool {
	return i.ResolvedBy == "" && (i.NotifiedBy == "" || i.Resolution != nil)
}

func monitor(name string, parents ...string) *evaluate.Monitor {
	return &evaluate.Monitor{Period: time.Minute, Monitor: job.Monitor{
		Name: name, DependsOn: parents, Group: strings.TrimRight(name, "0123456789"), Spec: job.Spec{TCP: &job.TCP{Address: name + ".example.org:22"}},
		Policy: job.Policy{FailureThreshold: 1, SuccessThreshold: 1, Flapping: &job.Flapping{}, Notify: []string{"oncall"}},
	}}
}
