package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/supervise"
)

// stubborn is a child that ignores the end of its context until it is
// released; then it tells whether it was fenced.
type stubborn struct {
	mu     sync.Mutex
	gate   chan struct{} // of the lives that began since the last release
	fenced chan error
}

func newStubborn() *stubborn {
	return &stubborn{gate: make(chan struct{}), fenced: make(chan error, 10)}
}

// later has lives that begin from now on hang on their own; the function that
// it returns releases those before.
func (b *stubborn) later() (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.gate
	b.gate = make(chan struct{})
	return func() { close(before) }
}

// release lets all go that hang.
func (b *stubborn) release() { b.later()() }

func (b *stubborn) child(s *stage, name string, policy supervise.OnStuck) supervise.Child {
	child := s.child(name)
	child.Shutdown, child.OnStuck = time.Second, policy
	child.Service = supervise.ServiceFunc(func(ctx context.Context) error {
		s.note("+" + name)
		supervise.Ready(ctx)
		b.hang()
		b.fenced <- supervise.Fenced(ctx)
		return errBoom
	})
	return child
}

// hang is the function that a stuck child's stack has to show.
func (b *stubborn) hang() {
	b.mu.Lock()
	gate := b.gate
	b.mu.Unlock()
	<-gate
}

func TestStuckChildIsReportedWithItsOwnStackAndHindersNoStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		var events eventLog
		b := newStubborn()
		sup := serve(t, supervise.Spec{Events: events.put, Children: append(s.children("a"), b.child(s, "b", supervise.StuckRefuse), s.child("c"))})
		began := time.Now()
		err := sup.stop()
		if stuck, ok := errors.AsType[*supervise.StuckError](err); !ok || fmt.Sprint(stuck.Children) != "[b]" {
			t.Errorf("got %v, want b named", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("got a stop in %s, want the shutdown time", took)
		}
		want(t, "trace", s.told(), "+a +b +c -c -a")
		sup.wantState("b", supervise.Stuck)
		event := events.last(t, supervise.EventStuck)
		if event.Class != supervise.ClassStuck || strings.Count(event.Stack, "created by ") != 1 || !strings.Contains(event.Stack, "(*stubborn).hang") {
			t.Errorf("got %+v, want the stack of the one that hangs", event)
		}
		b.release()
		wantIs(t, <-b.fenced, supervise.ErrFenced)
		if got := events.last(t, supervise.EventReturned); got.Class != supervise.ClassError || !errors.Is(got.Err, errBoom) {
			t.Errorf("got %+v, want that it returned, and how", got)
		}
		sup.wantState("b", supervise.Idle)
	})
}

func TestStuckRefusedChildIsNotStartedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		var events eventLog
		b := newStubborn()
		sup := serve(t, supervise.Spec{
			Events: events.put, Strategy: supervise.RestForOne,
			Children: []supervise.Child{s.child("a", fixed(time.Second)), b.child(s, "b", supervise.StuckRefuse), s.child("c")},
		})
		s.told()
		s.act("a", boom)
		time.Sleep(2 * time.Second)
		want(t, "what stands on the stuck one stays down", s.told(), "-c +a")
		sup.wantState("b", supervise.Stuck)
		wantIs(t, sup.Restart("b"), supervise.ErrStuck)
		b.release()
		time.Sleep(time.Hour)
		want(t, "its return starts nothing", s.told(), "")
		sup.wantState("b", supervise.GivenUp)
		if got := events.count(supervise.EventReturned); got != 1 {
			t.Errorf("got %d returns told, want 1", got)
		}
		wantNil(t, sup.Restart("b"))
		want(t, "an operator does", s.told(), "+b +c")
		sup.cancel()
		b.release()
	})
}

func TestStuckReplacedChildIsFenced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		var events eventLog
		b := newStubborn()
		sup := serve(t, supervise.Spec{
			Events: events.put, Strategy: supervise.OneForAll,
			Children: []supervise.Child{s.child("a", fixed(time.Second)), b.child(s, "b", supervise.StuckReplace)},
		})
		s.told()
		s.act("a", boom)
		synctest.Wait()
		release := b.later()
		time.Sleep(2 * time.Second)
		want(t, "trace", s.told(), "+a +b")
		sup.wantState("b", supervise.Running)
		release()
		wantIs(t, <-b.fenced, supervise.ErrFenced)
		sup.wantState("b", supervise.Running) // the old one's return is an event, and nothing else
		if got := events.last(t, supervise.EventReturned); got.Incarnation != 1 {
			t.Errorf("got %+v, want the first incarnation's return", got)
		}
		want(t, "trace", s.told(), "")
		b.release()
		wantNil(t, <-b.fenced) // the new one is not
		sup.cancel()
	})
}

func TestReadinessOfAFencedLifeIsNotTheNewOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		release := make(chan struct{})
		lives := 0
		child := s.child("a", func(c *supervise.Child) {
			c.OnStuck, c.StartTimeout, c.Shutdown = supervise.StuckReplace, time.Hour, time.Second
			c.Service = supervise.ServiceFunc(func(ctx context.Context) error {
				lives++
				if lives == 1 {
					supervise.Ready(ctx)
					<-release
					supervise.Ready(ctx)
					return nil
				}
				<-ctx.Done() // never ready
				return nil
			})
		})
		sup := serve(t, supervise.Spec{Children: []supervise.Child{child}})
		wantNil(t, sup.Restart("a"))
		time.Sleep(2 * time.Second)
		close(release)
		sup.wantState("a", supervise.Starting)
		sup.stopFine()
	})
}

func TestStuckChildEscalates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		b := newStubborn()
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a"), b.child(s, "b", supervise.StuckEscalate)}})
		s.told()
		wantNil(t, sup.Restart("b"))
		err := <-sup.done
		if stuck, ok := errors.AsType[*supervise.StuckError](err); !ok || fmt.Sprint(stuck.Children) != "[b]" {
			t.Errorf("got %v, want b named once", err)
		}
		want(t, "the others", s.told(), "-a")
		b.release()
	})
}

func TestStuckChildEndsTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		b := newStubborn()
		exited := make(chan error, 1)
		sup := serve(t, supervise.Spec{Exit: func(reason error) { exited <- reason }, Children: []supervise.Child{b.child(s, "b", supervise.StuckExit)}})
		wantNil(t, sup.Restart("b"))
		if reason := <-exited; !strings.Contains(reason.Error(), "child b of supervisor test") {
			t.Errorf("got %v, want who is stuck", reason)
		}
		b.release()
		synctest.Wait()
		sup.stopFine()
	})
}

func TestStuckAtItsStartIsNamedAsStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		release := make(chan struct{})
		child := s.child("a")
		child.Shutdown = time.Second
		child.Service = supervise.ServiceFunc(func(context.Context) error {
			<-release
			return nil
		})
		sup := serve(t, supervise.Spec{Children: []supervise.Child{child}})
		err := <-sup.done
		_, start := errors.AsType[*supervise.StartError](err)
		stuck, ok := errors.AsType[*supervise.StuckError](err)
		if !start || !ok || fmt.Sprint(stuck.Children) != "[a]" {
			t.Errorf("got %v, want a start that failed and left a behind", err)
		}
		close(release)
	})
}

func TestStuckGrandchildIsNamedAtTheTopAndNotStartedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		b := newStubborn()
		inner, err := supervise.New(supervise.Spec{Name: "inner", Children: []supervise.Child{b.child(s, "b", supervise.StuckRefuse), s.child("c")}})
		if err != nil {
			t.Fatal(err)
		}
		outer := supervise.Spec{Name: "outer", Children: []supervise.Child{{Name: "inner", Service: inner}}}
		sup := serve(t, outer)
		s.told()
		wantNil(t, sup.Restart("inner"))
		time.Sleep(2 * time.Second)
		want(t, "c does without b", s.told(), "-c +c")
		if got := inner.Children()[0]; got.State != supervise.Stuck {
			t.Errorf("got %+v, want b refused", got)
		}
		if got := sup.child("inner"); got.State != supervise.Running || got.LastClass != supervise.ClassStuck {
			t.Errorf("got %+v, want inner running, after it left somebody behind", got)
		}
		err = sup.stop()
		if stuck, ok := errors.AsType[*supervise.StuckError](err); !ok || fmt.Sprint(stuck.Children) != "[inner/b]" {
			t.Errorf("got %v, want inner/b", err)
		}
		b.release()
	})
}

func TestDynamicChildrenThatAreStuckShareOneDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		b := newStubborn()
		sup := serve(t, supervise.Spec{Strategy: supervise.Dynamic, Shutdown: 3 * time.Second})
		for _, name := range []string{"x", "y"} {
			wantNil(t, sup.Add(b.child(s, name, supervise.StuckRefuse)))
		}
		wantNil(t, sup.Add(s.child("z")))
		synctest.Wait()
		began := time.Now()
		stuck, ok := errors.AsType[*supervise.StuckError](sup.stop())
		if !ok || fmt.Sprint(stuck.Children) != "[x y]" {
			t.Errorf("got %v, want x and y", stuck)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("got a stop in %s, want the supervisor's deadline", took)
		}
		b.release()
	})
}

func TestStuckChildThatWasRemovedIsOnlyTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		var events eventLog
		b := newStubborn()
		sup := serve(t, supervise.Spec{Events: events.put, Children: []supervise.Child{b.child(s, "b", supervise.StuckRefuse)}})
		wantNil(t, sup.StopChild("b"))
		time.Sleep(2 * time.Second)
		wantNil(t, sup.Remove("b"))
		b.release()
		events.last(t, supervise.EventReturned)
		if got := sup.Children(); len(got) != 0 {
			t.Errorf("got %v, want none", got)
		}
		sup.stopFine()
	})
}
