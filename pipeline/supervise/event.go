package supervise

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// EventKind says what happened.
type EventKind string

// The kinds of event.
const (
	EventStarted  EventKind = "started"  // a life of a child began
	EventReady    EventKind = "ready"    // it does its work
	EventEnded    EventKind = "ended"    // it came to a normal end by itself
	EventFailed   EventKind = "failed"   // it failed; also while it was being stopped
	EventWaiting  EventKind = "waiting"  // it is started again after Wait
	EventStopped  EventKind = "stopped"  // it was told to stop, and did
	EventStuck    EventKind = "stuck"    // it was told to stop, and did not
	EventReturned EventKind = "returned" // one that was stuck returned after all
	EventParked   EventKind = "parked"   // it failed too often, and is tried again after Wait
	EventGivenUp  EventKind = "given_up" // it failed too often, and is not started again
	EventBreach   EventKind = "breach"   // it failed too often, and the supervisor ends
	EventLost     EventKind = "lost"     // Lost events were not told, since the hook was too slow
)

// Event is something that happened to a child.
type Event struct {
	Kind       EventKind
	At         time.Time
	Supervisor string
	Child      string
	// Incarnation counts the child's starts, from 1.
	Incarnation int
	// Class and Err tell how it ended; Stack where it panicked or hangs.
	Class Class
	Err   error
	Stack string
	// Wait is how long until it is started again.
	Wait time.Duration
	// Lost counts events that were dropped before this one.
	Lost int
}

// level is how loud the log is about an event.
func (e Event) level() slog.Level {
	switch e.Kind {
	case EventFailed:
		if e.Class == ClassUnavailable {
			return slog.LevelWarn
		}
		return slog.LevelError
	case EventStuck, EventParked, EventGivenUp, EventBreach:
		return slog.LevelError
	case EventReturned, EventLost:
		return slog.LevelWarn
	case EventStarted, EventReady, EventEnded, EventStopped, EventWaiting:
		return slog.LevelDebug
	default:
		return slog.LevelDebug
	}
}

func (e Event) attributes() []any {
	attributes := []any{"event", e.Kind, "supervisor", e.Supervisor, "child", e.Child, "incarnation", e.Incarnation}
	if e.Class != "" {
		attributes = append(attributes, "class", e.Class)
	}
	if e.Err != nil {
		attributes = append(attributes, "error", e.Err)
	}
	if e.Wait != 0 {
		attributes = append(attributes, "wait", e.Wait)
	}
	if e.Lost != 0 {
		attributes = append(attributes, "lost", e.Lost)
	}
	if e.Stack != "" {
		attributes = append(attributes, "stack", e.Stack)
	}
	return attributes
}

const (
	// maxEvents bounds the events that wait for the hook.
	maxEvents = 4096
	// hookPatience is how long a supervisor that ends waits for the hook.
	hookPatience = time.Second
)

// bulletin tells events in their order to the log and to the hook. Neither may
// hold up the supervisor: events wait in a bounded queue, and a goroutine tells
// them, which lives as long as there are any.
type bulletin struct {
	log  *slog.Logger
	hook func(Event)
	deaf bool // there is neither

	mu      sync.Mutex
	queue   []Event
	lost    int
	telling bool
	idle    chan struct{} // closed when the queue has been told
}

// put adds an event. It never blocks.
func (b *bulletin) put(e Event) {
	if b.deaf {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) >= maxEvents {
		b.lost++
		return
	}
	if b.lost > 0 {
		b.queue = append(b.queue, Event{Kind: EventLost, At: e.At, Supervisor: e.Supervisor, Lost: b.lost})
		b.lost = 0
	}
	b.queue = append(b.queue, e)
	if !b.telling {
		b.telling, b.idle = true, make(chan struct{})
		go b.tell()
	}
}

// tell tells what is queued until nothing is.
func (b *bulletin) tell() {
	for e, ok := b.next(); ok; e, ok = b.next() {
		b.tellOne(e)
	}
}

// next takes the first event. What it leaves still counts as waiting, so that
// the bound holds whatever is being told.
func (b *bulletin) next() (Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(b.queue) > 0:
		e := b.queue[0]
		b.queue = b.queue[1:]
		return e, true
	case b.lost > 0:
		e := Event{Kind: EventLost, At: time.Now(), Lost: b.lost}
		b.lost = 0
		return e, true
	default:
		b.queue, b.telling = nil, false
		close(b.idle)
		return Event{}, false
	}
}

// tellOne tells one event. Whatever the hook does, the next event is told.
func (b *bulletin) tellOne(e Event) {
	switch e.level() {
	case slog.LevelError:
		b.log.Error("supervision", e.attributes()...)
	case slog.LevelWarn:
		b.log.Warn("supervision", e.attributes()...)
	default:
		b.log.Debug("supervision", e.attributes()...)
	}
	if b.hook == nil {
		return
	}
	done := make(chan error, 1)
	go func() { // a goroutine of its own, since a Goexit in the hook must not end ours
		var err error
		returned := false
		defer func() {
			if !returned {
				err = &PanicError{Value: recover(), Stack: debug.Stack()}
			}
			done <- err
		}()
		b.hook(e)
		returned = true
	}()
	if err := <-done; err != nil {
		b.log.Error("hook of supervisor failed", "supervisor", e.Supervisor, "event", e.Kind, "error", err)
	}
}

// flush waits until everything was told; the error says that the hook hangs.
func (b *bulletin) flush() error {
	b.mu.Lock()
	idle := b.idle
	b.mu.Unlock()
	if idle == nil {
		return nil
	}
	patience := time.NewTimer(hookPatience)
	defer patience.Stop()
	select {
	case <-idle:
		return nil
	case <-patience.C:
		return fmt.Errorf("tell events: %w", errHookHangs)
	}
}

var errHookHangs = errors.New("the hook does not return")
