package supervise_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/supervise"
)

// eventLog records events.
type eventLog struct {
	mu  sync.Mutex
	all []supervise.Event
}

func (l *eventLog) put(e supervise.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

func (l *eventLog) events() []supervise.Event {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

func (l *eventLog) last(t *testing.T, kind supervise.EventKind) supervise.Event {
	t.Helper()
	var found supervise.Event
	for _, e := range l.events() {
		if e.Kind == kind {
			found = e
		}
	}
	if found.Kind == "" {
		t.Errorf("got %d events, none of kind %s", len(l.events()), kind)
	}
	return found
}

func (l *eventLog) count(kind supervise.EventKind) int {
	count := 0
	for _, e := range l.events() {
		if e.Kind == kind {
			count++
		}
	}
	return count
}

func (l *eventLog) trace() string {
	var trace []string
	for _, e := range l.events() {
		trace = append(trace, fmt.Sprintf("%s %s", e.Child, e.Kind))
	}
	return strings.Join(trace, ", ")
}

func TestEventsAreCompleteAndInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		var events eventLog
		var log bytes.Buffer
		sup := serve(t, supervise.Spec{
			Events: events.put, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Children: []supervise.Child{s.child("a"), s.child("b", kind(supervise.Transient))},
		})
		s.act("a", boom)
		time.Sleep(long)
		s.act("b", fine)
		sup.stopFine()
		want(t, "events", events.trace(), "a started, a ready, b started, b ready, a failed, a waiting, a started, a ready, b ended, a stopped")
		if got := events.last(t, supervise.EventReady); got.Incarnation != 2 || got.Supervisor != "test" || got.At.IsZero() {
			t.Errorf("got %+v, want supervisor, incarnation and time", got)
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "error=boom") {
			t.Errorf("got log %q, want only the failure at this level", got)
		}
	})
}

func TestHookFailureIsContained(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){"panic": func() { panic("hook") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				var log bytes.Buffer
				events := 0
				sup := serve(t, supervise.Spec{
					Children: s.children("a"), Logger: slog.New(slog.NewTextHandler(&log, nil)),
					Events: func(supervise.Event) { events++; fail() },
				})
				s.act("a", boom)
				time.Sleep(long)
				want(t, "trace", s.takeTrace(), "+a +a")
				sup.stopFine()
				if events != 7 {
					t.Errorf("got %d events, want 7", events)
				}
				if !strings.Contains(log.String(), "supervisor event hook failed") {
					t.Errorf("got log %q, want the hook's failure", log.String())
				}
			})
		})
	}
}

func TestHangingHookDelaysNothingAndLostEventsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		release := make(chan struct{})
		var events eventLog
		sup := serve(t, supervise.Spec{
			Strategy: supervise.Dynamic,
			Events: func(e supervise.Event) {
				<-release
				events.put(e)
			},
		})
		for i := range 3000 { // two events each
			wantNil(t, sup.Add(s.child(strconv.Itoa(i))))
		}
		if got := strings.Count(s.takeTrace(), "+"); got != 3000 {
			t.Errorf("got %d children started, want 3000", got)
		}
		close(release)
		synctest.Wait()
		sup.stopFine()
		lost := 0
		for _, e := range events.events() {
			lost += e.Lost
		}
		if got := len(events.events()); lost == 0 || got-events.count(supervise.EventLost)+lost != 9000 {
			t.Errorf("got %d events and %d lost, want 9000 in all", got, lost)
		}
	})
}
