package clock

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/supervise"
)

// Watch notices changes of the clock in one process. It is safe for concurrent
// use. Only while Serve runs, changes are noticed within a second.
type Watch struct {
	log  *slog.Logger
	read func() Reading

	mu        sync.Mutex
	serving   bool // pauses are known only then
	last      Reading
	changes   []Change // the newest, oldest first
	listeners map[chan Change]struct{}
}

const (
	// period is the time between two looks at the clocks.
	period = time.Second
	// maxChanges is how many changes are remembered: enough for a machine that
	// sleeps each night, and a clock that is set each time it wakes.
	maxChanges = 64
	// maxPending is how many changes a listener may leave unread.
	maxPending = 8
)

// NewWatch returns a watch that reads the clocks of this machine.
func NewWatch(log *slog.Logger) *Watch {
	began := time.Now()
	return newWatch(log, func() Reading { return readClocks(began) })
}

func newWatch(log *slog.Logger, read func() Reading) *Watch {
	return &Watch{log: log, read: read, last: read(), listeners: map[chan Change]struct{}{}}
}

func readClocks(began time.Time) Reading {
	now := time.Now()
	r := Reading{Wall: now.Round(0), Awake: now.Sub(began)}
	r.Total = r.Awake
	if total, ok := total(); ok {
		r.Total = total
	}
	return r
}

// Serve looks at the clocks each second until ctx ends.
func (w *Watch) Serve(ctx context.Context) error {
	w.setServing(true)
	defer w.setServing(false)
	supervise.Ready(ctx)
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		w.look()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// setServing begins or ends the time in which a pause is noticed.
func (w *Watch) setServing(serving bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	w.serving = serving
}

// look reads the clocks.
func (w *Watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
}

// advance reads the clocks, and returns the wall clock.
func (w *Watch) advance() time.Time {
	before := w.last
	w.last = w.read()
	change := compare(before, w.last, period)
	if !w.serving {
		change.Pause = 0
	}
	if !change.none() {
		w.add(change)
	}
	return w.last.Wall
}

// add remembers a change, and passes it on.
func (w *Watch) add(c Change) {
	w.changes = append(w.changes, c)
	w.changes = w.changes[max(0, len(w.changes)-maxChanges):]
	if c.Step != 0 {
		w.log.Warn("the wall clock was set", "by", c.Step.Round(time.Millisecond), "at", c.At.UTC())
	}
	if c.Pause != 0 {
		w.log.Warn("the process stood still: it was stopped, or the machine slept", "for", c.Pause.Round(time.Millisecond), "until", c.At.UTC())
	}
	for listener := range w.listeners {
		select {
		case listener <- c:
		default: // it has enough to do
		}
	}
}

// Listen returns a channel with the changes from now on, and a function that
// closes it for new ones.
func (w *Watch) Listen() (changes <-chan Change, stop func()) {
	listener := make(chan Change, maxPending)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners[listener] = struct{}{}
	return listener, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.listeners, listener)
	}
}

// Since returns how long ago a time on the wall clock was, without steps and
// without the time in which this process stood still. For a time in the future it
// is zero, unless the clock was set back since then.
func (w *Watch) Since(t time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.advance()
	return elapsed(w.changes, t, now)
}

// foundAgain is how long after a change the same one may be found by its traces.
const foundAgain = time.Minute

// Found reports that a stored time is later than now: the clock was set back while
// this process did not see it. The first report of several about the same change
// counts.
func (w *Watch) Found(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.advance()
	if slices.ContainsFunc(w.changes, func(c Change) bool { return c.Step < 0 && now.Sub(c.At) < foundAgain }) {
		return
	}
	w.add(Change{At: now, Step: -by})
}

// Between returns by how much the clock was set forward, and how long this process
// stood still, between two times on the wall clock, as far as it is remembered.
// Both times may be wrong by slack.
func (w *Watch) Between(from, to time.Time, slack time.Duration) (forward, paused time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	for _, c := range w.changes {
		if c.At.Before(from.Add(-slack)) || c.At.After(to.Add(slack)) {
			continue
		}
		forward, paused = forward+max(0, c.Step), paused+c.Pause
	}
	return forward, paused
}
