package notify_test

import (
	"math/rand/v2"
	"time"

	"vedette/workers/evaluate"
	"vedette/workers/notify"
)

// addBehind adds another notifier.
func (w *world) addBehind(seed uint64) {
	w.behind, w.turns = w.notifier, rand.New(rand.NewPCG(seed, 13))
	w.takeOver()
}

// catchUp has the other notifier learn the definitions.
func (w *world) catchUp() {
	w.tb.Helper()
	if w.behind == nil {
		return
	}
	w.read(w.behind)
	w.do(func() error { return w.notifier.ReconcileIn(w.tb.Context(), time.Second) })
}

// takeOver replaces the notifier with one that has read the definitions.
func (w *world) takeOver() {
	w.tb.Helper()
	w.restart()
	w.read(w.notifier)
}

// read has a notifier learn the definitions and silences.
func (w *world) read(n *notify.Notifier) {
	w.tb.Helper()
	for _, name := range n.Directory().Names() {
		if _, stays := w.file.recipients[name]; !stays {
			n.Directory().Remove(name)
		}
	}
	for _, r := range w.file.recipients {
		n.Directory().Set(r)
	}
	n.Directory().SetSettings(w.file.settings)
	if err := n.Mutes().SetWindows(w.file.settings.Maintenance); err != nil {
		w.tb.Fatalf("windows: %v", err)
	}
	for _, s := range n.Mutes().ActiveSilences(w.now) {
		n.Mutes().RemoveSilence(s.ID)
	}
	for _, s := range w.silences {
		n.Mutes().SetSilence(s)
	}
}

// define changes a definition, and has the notifier look at it.
func (w *world) define(m *evaluate.Monitor) {
	w.tb.Helper()
	w.defined[m.Name] = m.Monitor
	w.do(func() error { return w.notifier.ReconcileMonitor(w.tb.Context(), m.Name) })
}

// reconcile has the notifier look at everything, as after an apply.
func (w *world) reconcile() {
	w.tb.Helper()
	w.do(func() error { return w.notifier.Reconcile(w.tb.Context()) })
}
