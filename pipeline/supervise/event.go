package supervise

import (
	"log/slog"
	"time"
)

// EventKind is the kind of an event.
type EventKind string

// The kinds of event.
const (
	EventStarted  EventKind = "started"  // an incarnation began
	EventReady    EventKind = "ready"    // it is at work
	EventEnded    EventKind = "ended"    // it came to a normal end without being stopped
	EventFailed   EventKind = "failed"   // it failed, perhaps while stopping
	EventWaiting  EventKind = "waiting"  // it restarts after Wait
	EventStopped  EventKind = "stopped"  // it stopped on request
	EventStuck    EventKind = "stuck"    // it did not stop on request
	EventReturned EventKind = "returned" // a stuck incarnation returned after all
	EventParked   EventKind = "parked"   // it failed too often, and is retried after Wait
	EventGivenUp  EventKind = "given_up" // it failed too often, and is not restarted
	EventBreach   EventKind = "breach"   // it failed too often, and the supervisor ends
	EventLost     EventKind = "lost"     // Lost events were dropped because the hook was too slow
)

// Event is a change in a child's life.
type Event struct {
	Kind       EventKind
	At         time.Time
	Supervisor string
	Child      string
	// Incarnation counts the child's starts, from 1.
	Incarnation int
	// Class and Err describe the end; Stack shows where the child panicked or
	// hangs.
	Class Class
	Err   error
	Stack string
	// Wait is the time until the restart.
	Wait time.Duration
	// Lost counts events that were dropped before this one.
	Lost int
}

// level returns the logger's method for the event's level.
func (e Event) level(l *slog.Logger) func(message string, attributes ...any) {
	switch e.Kind {
	case EventFailed:
		if e.Class == ClassUnavailable {
			return l.Warn
		}
		return l.Error
	case EventStuck, EventParked, EventGivenUp, EventBreach:
		return l.Error
	case EventReturned, EventLost:
		return l.Warn
	default:
		return l.Debug
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
