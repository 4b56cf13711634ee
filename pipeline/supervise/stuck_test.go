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

// stubborn is a child that ignores the end of its context until it is released;
// then it sends the result of Fenced.
type stubborn struct {
	mu     sync.Mutex
	gate   chan struct{} // for incarnations since the last release
	fenced chan error
}

func newStubborn() *stubborn {
	return &stubborn{gate: make(chan struct{}), fenced: make(chan error, 10)}
}

// later gives future incarnations a new gate; the returned function releases
// the earlier ones.
func (b *stubborn) later() (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.gate
	b.gate = make(chan struct{})
	return func() { close(before) }
}

// release lets all hanging incarnations return.
func (b *stubborn) release() { b.later()() }

func (b *stubborn) child(s *harness, name string, policy supervise.OnStuck) supervise.Child {
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

// hang is the function that must show in a stuck child's stack.
func (b *stubborn) hang() {
	b.mu.Lock()
	gate := b.gate
	b.mu.Unlock()
	<-gate
}

func TestStuckChildIsReportedWithItsStackAndDoesNotPreventAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
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
		want(t, "trace", s.takeTrace(), "+a +b +c -c -a")
		sup.wantState("b", supervise.Stuck)
		event := events.last(t, supervise.EventStuck)
		if event.Class != supervise.ClassStuck || strings.Count(event.Stack, "created by ") != 1 || !strings.Contains(event.Stack, "(*stubborn).hang") {
			t.Errorf("got %+v, want the stack of the hanging child", event)
		}
		b.release()
		wantIs(t, <-b.fenced, supervise.ErrFenced)
		if got := events.last(t, supervise.EventReturned); got.Class != supervise.ClassError || !errors.Is(got.Err, errBoom) {
			t.Errorf("got %+v, want its return with the error", got)
		}
		sup.wantState("b", supervise.Idle)
	})
}

func TestStuckRefusedChildIsNotStartedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		var events eventLog
		b := newStubborn()
		sup := serve(t, supervise.Spec{
			Events: events.put, Strategy: supervise.RestForOne,
			Children: []supervise.Child{s.child("a", fixed(time.Second)), b.child(s, "b", supervise.StuckRefuse), s.child("c")},
		})
		s.takeTrace()
		s.act("a", boom)
		time.Sleep(2 * time.Second)
		want(t, "dependent children stay down", s.takeTrace(), "-c +a")
		sup.wantState("b", supervise.Stuck)
		wantIs(t, sup.Restart("b"), supervise.ErrStuck)
		b.release()
		time.Sleep(time.Hour)
		want(t, "its return starts nothing", s.takeTrace(), "")
		sup.wantState("b", supervise.GivenUp)
		if got := events.count(supervise.EventReturned); got != 1 {
			t.Errorf("got %d reported returns, want 1", got)
		}
		wantNil(t, sup.Restart("b"))
		want(t, "a command starts it", s.takeTrace(), "+b +c")
		sup.cancel()
		b.release()
	})
}

func TestStuckReplacedChildIsFenced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		var events eventLog
		b := newStubborn()
		sup := serve(t, supervise.Spec{
			Events: events.put, Strategy: supervise.OneForAll,
			Children: []supervise.Child{s.child("a", fixed(time.Second)), b.child(s, "b", supervise.StuckReplace)},
		})
		s.takeTrace()
		s.act("a", boom)
		synctest.Wait()
		release := b.later()
		time.Sleep(2 * time.Second)
		want(t, "trace", s.takeTrace(), "+a +b")
		sup.wantState("b", supervise.Running)
		release()
		wantIs(t, <-b.fenced, supervise.ErrFenced)
		sup.wantState("b", supervise.Running) // the old incarnation's return is only reported
		if got := events.last(t, supervise.EventReturned); got.Incarnation != 1 {
			t.Errorf("got %+v, want the return of the first incarnation", got)
		}
		want(t, "trace", s.takeTrace(), "")
		b.release()
		wantNil(t, <-b.fenced) // the new one is not fenced
		sup.cancel()
	})
}

func TestReadyOfAFencedIncarnationIsIgnored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		release := make(chan struct{})
		incarnations := 0
		child := s.child("a", func(c *supervise.Child) {
			c.OnStuck, c.StartTimeout, c.Shutdown = supervise.StuckReplace, time.Hour, time.Second
			c.Service = supervise.ServiceFunc(func(ctx context.Context) error {
				incarnations++
				if incarnations == 1 {
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
		s := newHarness()
		b := newStubborn()
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a"), b.child(s, "b", supervise.StuckEscalate)}})
		s.takeTrace()
		wantNil(t, sup.Restart("b"))
		err := <-sup.done
		if stuck, ok := errors.AsType[*supervise.StuckError](err); !ok || fmt.Sprint(stuck.Children) != "[b]" {
			t.Errorf("got %v, want b named once", err)
		}
		want(t, "the others", s.takeTrace(), "-a")
		b.release()
	})
}

func TestStuckChildEndsTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		b := newStubborn()
		exited := make(chan error, 1)
		sup := serve(t, supervise.Spec{Exit: func(reason error) { exited <- reason }, Children: []supervise.Child{b.child(s, "b", supervise.StuckExit)}})
		wantNil(t, sup.Restart("b"))
		if reason := <-exited; !strings.Contains(reason.Error(), "child b in supervisor test") {
			t.Errorf("got %v, want the stuck child named", reason)
		}
		b.release()
		synctest.Wait()
		sup.stopFine()
	})
}

func TestChildStuckDuringItsFirstStartIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
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
			t.Errorf("got %v, want a failed start with a stuck", err)
		}
		close(release)
	})
}

func TestStuckGrandchildIsNamedByTheRootAndNotStartedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		b := newStubborn()
		inner, err := supervise.New(supervise.Spec{Name: "inner", Children: []supervise.Child{b.child(s, "b", supervise.StuckRefuse), s.child("c")}})
		if err != nil {
			t.Fatal(err)
		}
		outer := supervise.Spec{Name: "outer", Children: []supervise.Child{{Name: "inner", Service: inner}}}
		sup := serve(t, outer)
		s.takeTrace()
		wantNil(t, sup.Restart("inner"))
		time.Sleep(2 * time.Second)
		want(t, "c restarts without b", s.takeTrace(), "-c +c")
		if got := inner.Children()[0]; got.State != supervise.Stuck {
			t.Errorf("got %+v, want b stuck", got)
		}
		if got := sup.child("inner"); got.State != supervise.Running || got.LastClass != supervise.ClassStuck {
			t.Errorf("got %+v, want inner running after it abandoned a child", got)
		}
		err = sup.stop()
		if stuck, ok := errors.AsType[*supervise.StuckError](err); !ok || fmt.Sprint(stuck.Children) != "[inner/b]" {
			t.Errorf("got %v, want inner/b", err)
		}
		b.release()
	})
}

func TestStuckDynamicChildrenShareOneDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
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

func TestReturnOfARemovedStuckChildIsReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
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
