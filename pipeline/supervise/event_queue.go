package supervise

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// maxEvents limits the events waiting for the hook.
	maxEvents = 4096
	// hookTimeout is how long a supervisor that ends waits for the hook.
	hookTimeout = time.Second
)

// eventQueue delivers events in order to the log and the hook. Neither may
// delay the supervisor: events wait in a bounded queue, and a goroutine that
// exists only while there are events delivers them.
type eventQueue struct {
	logger *slog.Logger
	hook   func(Event)
	unused bool // there is neither log nor hook

	mu         sync.Mutex
	queue      []Event
	lost       int
	delivering bool
	idle       chan struct{} // closed when all events were delivered
}

// add queues an event. It never blocks.
func (q *eventQueue) add(e Event) {
	if q.unused {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) >= maxEvents {
		q.lost++
		return
	}
	if q.lost > 0 {
		q.queue = append(q.queue, Event{Kind: EventLost, At: e.At, Supervisor: e.Supervisor, Lost: q.lost})
		q.lost = 0
	}
	q.queue = append(q.queue, e)
	if !q.delivering {
		q.delivering, q.idle = true, make(chan struct{})
		go q.deliverAll()
	}
}

func (q *eventQueue) deliverAll() {
	for e, ok := q.next(); ok; e, ok = q.next() {
		q.deliver(e)
	}
}

// next removes the first event, or ends the delivery.
func (q *eventQueue) next() (Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.queue) > 0:
		e := q.queue[0]
		q.queue = q.queue[1:]
		return e, true
	case q.lost > 0:
		e := Event{Kind: EventLost, At: time.Now(), Lost: q.lost}
		q.lost = 0
		return e, true
	default:
		q.queue, q.delivering = nil, false
		close(q.idle)
		return Event{}, false
	}
}

// deliver delivers one event, and contains the failures of the hook.
func (q *eventQueue) deliver(e Event) {
	e.level(q.logger)("supervision event", e.attributes()...)
	if q.hook == nil {
		return
	}
	done := make(chan error, 1)
	go func() { // separate, since a Goexit in the hook must not end the delivery
		var err error
		returned := false
		defer func() {
			if !returned {
				err = &PanicError{Value: recover(), Stack: debug.Stack()}
			}
			done <- err
		}()
		q.hook(e)
		returned = true
	}()
	if err := <-done; err != nil {
		q.logger.Error("supervisor event hook failed", "supervisor", e.Supervisor, "event", e.Kind, "error", err)
	}
}

// flush waits until all events were delivered; an error says that the hook
// hangs.
func (q *eventQueue) flush() error {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	if idle == nil {
		return nil
	}
	timeout := time.NewTimer(hookTimeout)
	defer timeout.Stop()
	select {
	case <-idle:
		return nil
	case <-timeout.C:
		return fmt.Errorf("deliver events: %w", errHookHangs)
	}
}

var errHookHangs = errors.New("the event hook does not return")
