package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"vedette/pipeline/supervise"
)

func TestRestartTypes(t *testing.T) {
	t.Parallel()
	shutdown := func() error { return fmt.Errorf("done: %w", supervise.ErrShutdown) }
	cases := []struct {
		name    string
		restart supervise.Restart
		end     func() error
		back    string
	}{
		{"permanent, failed", supervise.Permanent, boom, "+a"},
		{"permanent, normal end", supervise.Permanent, fine, "+a"},
		{"transient, failed", supervise.Transient, boom, "+a"},
		{"transient, normal end", supervise.Transient, fine, ""},
		{"transient, shutdown", supervise.Transient, shutdown, ""},
		{"transient, error of a foreign context", supervise.Transient, func() error { return context.Canceled }, "+a"},
		{"transient, an operation timed out", supervise.Transient, func() error { return context.DeadlineExceeded }, "+a"},
		{"transient, panic with ErrShutdown", supervise.Transient, func() error { panic(supervise.ErrShutdown) }, "+a"},
		{"temporary, failed", supervise.Temporary, boom, ""},
		{"temporary, normal end", supervise.Temporary, fine, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a", kind(c.restart))}})
				s.takeTrace()
				s.act("a", c.end)
				time.Sleep(long)
				want(t, "trace", s.takeTrace(), c.back)
				sup.stopFine()
			})
		})
	}
}

// deferred returns an end that panics or exits in a deferred function, like a
// service that fails to clean up.
func deferred(do func()) func() error {
	return func() error {
		defer do()
		return nil
	}
}

func TestClassesOfFailures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		class supervise.Class
		end   func() error
		stack bool
	}{
		{"error", supervise.ClassError, boom, false},
		{"panic", supervise.ClassPanic, func() error { panic("boom") }, true},
		{"panic with nil", supervise.ClassPanic, func() error { panic(nil) }, true}, //nolint:govet // programs do it
		{"goexit", supervise.ClassGoexit, func() error { runtime.Goexit(); return nil }, true},
		{"deferred panic", supervise.ClassPanic, deferred(func() { panic("boom") }), true},
		{"deferred goexit", supervise.ClassGoexit, deferred(runtime.Goexit), true},
		{"panic in a deferred function after a panic", supervise.ClassPanic, func() error {
			defer func() { panic("second") }()
			panic("first")
		}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				var events eventLog
				sup := serve(t, supervise.Spec{Events: events.put, Children: s.children("a", "b")})
				s.takeTrace()
				s.act("a", c.end)
				got := sup.child("a")
				if got.LastClass != c.class || got.LastError == "" || got.State != supervise.Waiting || (got.LastStack != "") != c.stack {
					t.Errorf("got %+v, want waiting after %s", got, c.class)
				}
				event := events.last(t, supervise.EventFailed)
				if event.Class != c.class || event.Err == nil || strings.Contains(event.Stack, "(*harness).child") != c.stack {
					t.Errorf("got event %+v, want %s with the stack of the service", event, c.class)
				}
				time.Sleep(long)
				if got := sup.child("a"); got.State != supervise.Running || got.Restarts != 1 || got.Incarnation != 2 {
					t.Errorf("got %+v, want running again", got)
				}
				want(t, "trace", s.takeTrace(), "+a")
				sup.stopFine()
			})
		})
	}
}

func TestFailuresWhileStoppingAreReported(t *testing.T) {
	t.Parallel()
	for class, end := range map[supervise.Class]func(){
		supervise.ClassPanic:  func() { panic("cleaning up") },
		supervise.ClassGoexit: runtime.Goexit,
	} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var events eventLog
				s := newHarness()
				child := supervise.Child{Name: "a", Service: supervise.ServiceFunc(func(ctx context.Context) error {
					<-ctx.Done()
					end()
					return nil
				})}
				sup := serve(t, supervise.Spec{Events: events.put, Children: append(s.children("z"), child)})
				sup.stopFine() // the panic fails nothing: the child has stopped
				if got := events.last(t, supervise.EventFailed); got.Class != class || got.Child != "a" || got.Stack == "" {
					t.Errorf("got event %+v, want %s", got, class)
				}
				if got := sup.child("a"); got.LastClass != class {
					t.Errorf("got %+v, want %s", got, class)
				}
				want(t, "the others", s.takeTrace(), "+z -z")
			})
		})
	}
}

func TestSlowStartIsATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		var events eventLog
		lame := false
		child := s.child("b")
		service := child.Service
		child.Service = supervise.ServiceFunc(func(ctx context.Context) error {
			if lame {
				s.note("b?")
				<-ctx.Done()
				return ctx.Err()
			}
			return service.Serve(ctx)
		})
		sup := serve(t, supervise.Spec{
			Events: events.put, Strategy: supervise.RestForOne, Intensity: supervise.Restarts(2), Window: time.Hour,
			Children: []supervise.Child{s.child("a"), child, s.child("c")},
		})
		s.takeTrace()
		lame = true
		s.act("b", boom)
		time.Sleep(2 * time.Second)
		if got := events.last(t, supervise.EventFailed); got.Class != supervise.ClassTimeout {
			t.Errorf("got event %+v, want a timeout", got)
		}
		err := <-sup.done
		breach, ok := errors.AsType[*supervise.BreachError](err)
		if !ok || breach.Class != supervise.ClassTimeout {
			t.Errorf("got %v, want a breach by a timeout", err)
		}
		want(t, "c waits for b", s.takeTrace(), "-c b? b? -a")
	})
}

func TestSlowFirstStartFailsTheSupervisor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		lame := s.child("b")
		lame.Service = supervise.ServiceFunc(func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a"), lame, s.child("c")}})
		err := <-sup.done
		if start, ok := errors.AsType[*supervise.StartError](err); !ok || start.Class != supervise.ClassTimeout || start.Child != "b" {
			t.Errorf("got %v, want a start timeout for b", err)
		}
		want(t, "trace", s.takeTrace(), "+a -a")
	})
}

func TestChildrenWaitForTheirPredecessor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		first := s.child("a")
		service := first.Service
		first.Service = supervise.ServiceFunc(func(ctx context.Context) error {
			time.Sleep(900 * time.Millisecond)
			return service.Serve(ctx)
		})
		sup := serve(t, supervise.Spec{Children: []supervise.Child{first, s.child("b")}})
		sup.wantState("a", supervise.Starting)
		sup.wantState("b", supervise.Idle)
		time.Sleep(time.Second)
		want(t, "trace", s.takeTrace(), "+a +b")
		sup.wantState("b", supervise.Running)
		sup.stopFine()
	})
}

// fixed sets a constant back-off.
func fixed(d time.Duration) func(*supervise.Child) {
	return func(c *supervise.Child) {
		c.Backoff = func() backoff.BackOff { return backoff.NewConstantBackOff(d) }
	}
}

func TestBackOffGrowsUntilTheChildIsStable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		doubling := func(c *supervise.Child) {
			c.Backoff = func() backoff.BackOff {
				return backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Second), backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0))
			}
		}
		sup := serve(t, supervise.Spec{Stable: 20 * time.Second, Intensity: supervise.Restarts(100), Children: []supervise.Child{s.child("a", doubling), s.child("b")}})
		s.takeTrace()
		for _, step := range []struct{ ready, wait time.Duration }{
			{0, 1 * time.Second},
			{0, 2 * time.Second},
			{19 * time.Second, 4 * time.Second},
			{20 * time.Second, 1 * time.Second}, // stable
			{0, 2 * time.Second},
		} {
			time.Sleep(step.ready)
			s.act("a", boom)
			time.Sleep(step.wait - 1)
			want(t, fmt.Sprint(step, " before"), s.takeTrace(), "")
			time.Sleep(time.Nanosecond)
			want(t, fmt.Sprint(step, " after"), s.takeTrace(), "+a")
		}
		sup.stopFine()
	})
}

func TestBackOffDelaysNoOtherChild(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a", fixed(time.Hour)), s.child("b", fixed(time.Second))}})
		s.takeTrace()
		s.act("a", boom)
		s.act("b", boom)
		time.Sleep(time.Second)
		want(t, "b", s.takeTrace(), "+b")
		wantNil(t, sup.Add(s.child("c")))
		want(t, "c", s.takeTrace(), "+c")
		wantNil(t, sup.Restart("a"))
		want(t, "a", s.takeTrace(), "+a")
		sup.stopFine()
	})
}

func TestUnavailableDependencyDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		var away atomic.Bool
		away.Store(true)
		needy := s.child("b", fixed(time.Second))
		service := needy.Service
		needy.Service = supervise.ServiceFunc(func(ctx context.Context) error {
			if away.Load() {
				return fmt.Errorf("connect: %w", supervise.ErrUnavailable)
			}
			return service.Serve(ctx)
		})
		sup := serve(t, supervise.Spec{
			Strategy: supervise.RestForOne, Intensity: supervise.Restarts(0), Children: []supervise.Child{s.child("a"), needy, s.child("c")},
		})
		time.Sleep(10 * time.Minute)
		want(t, "first start, dependency away", s.takeTrace(), "+a")
		if got := sup.child("b"); got.LastClass != supervise.ClassUnavailable || got.State != supervise.Waiting {
			t.Errorf("got %+v, want b waiting for its dependency", got)
		}
		away.Store(false)
		time.Sleep(time.Second)
		want(t, "dependency back", s.takeTrace(), "+b +c")
		away.Store(true)
		s.act("b", func() error { return supervise.ErrUnavailable })
		time.Sleep(10 * time.Minute)
		want(t, "dependency away again", s.takeTrace(), "-c")
		sup.stopFine()
	})
}

func TestBackOffStopIsABreach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		stops := func(c *supervise.Child) { c.Backoff = func() backoff.BackOff { return &backoff.StopBackOff{} } }
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a", stops)}})
		s.act("a", boom)
		wantIs(t, <-sup.done, errBoom)
	})
}

func TestGroupStopsAtOnceAndStartsAfterTheBackOff(t *testing.T) {
	t.Parallel()
	for strategy, down := range map[supervise.Strategy]string{supervise.RestForOne: "-c", supervise.OneForAll: "-c -a"} {
		t.Run(strategy.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				sup := serve(t, supervise.Spec{Strategy: strategy, Children: []supervise.Child{s.child("a"), s.child("b", fixed(time.Minute)), s.child("c")}})
				s.takeTrace()
				s.act("b", boom)
				want(t, "at once", s.takeTrace(), down)
				time.Sleep(59 * time.Second)
				want(t, "in back-off", s.takeTrace(), "")
				time.Sleep(time.Second)
				if s.takeTrace() == "" {
					t.Error("got nothing after the back-off, want the group started")
				}
				sup.stopFine()
			})
		})
	}
}

func TestSecondFailureDuringAGroupRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{
			Strategy: supervise.RestForOne, Intensity: supervise.Restarts(2), Window: time.Hour,
			Children: []supervise.Child{s.child("a", fixed(time.Second)), s.child("b", fixed(10*time.Second)), s.child("c", slow(3*time.Second, time.Minute))},
		})
		s.takeTrace()
		s.act("b", boom) // c takes its time to stop
		s.act("a", boom) // meanwhile
		time.Sleep(2 * time.Second)
		want(t, "no start before the group is down", s.takeTrace(), "-c")
		time.Sleep(2 * time.Second)
		want(t, "a starts, b waits for its back-off, c for b", s.takeTrace(), "+a")
		time.Sleep(10 * time.Second)
		want(t, "the rest", s.takeTrace(), "+b +c")
		sup.stopFine()
	})
}

func TestFailureWhileTheGroupStopsDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		var events eventLog
		sup := serve(t, supervise.Spec{
			Events: events.put, Strategy: supervise.OneForAll, Intensity: supervise.Restarts(1), Window: time.Hour,
			Children: []supervise.Child{s.child("a"), s.child("b"), s.child("c", slow(3*time.Second, time.Minute))},
		})
		s.takeTrace()
		s.act("b", boom)
		s.act("a", boom) // before its turn to stop
		time.Sleep(long)
		want(t, "trace", s.takeTrace(), "-c +a +b +c")
		if got := events.count(supervise.EventFailed); got != 2 {
			t.Errorf("got %d reported failures, want both", got)
		}
		sup.stopFine()
	})
}

func TestParkedChildEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		var events eventLog
		sup := serve(t, supervise.Spec{
			Events: events.put, OnBreach: supervise.BreachPark, ParkFor: 10 * time.Minute, Intensity: supervise.Restarts(2), Window: time.Hour,
			Children: []supervise.Child{s.child("bad", fixed(time.Second)), s.child("good", fixed(time.Second))},
		})
		s.takeTrace()
		for range 3 {
			s.act("bad", boom)
			time.Sleep(time.Second)
		}
		sup.wantState("bad", supervise.Parked)
		want(t, "trace", s.takeTrace(), "+bad +bad")
		if got := events.last(t, supervise.EventParked); got.Child != "bad" || got.Wait != 10*time.Minute {
			t.Errorf("got %+v, want bad parked", got)
		}
		s.act("good", boom) // its intensity is separate
		time.Sleep(time.Second)
		want(t, "good", s.takeTrace(), "+good")
		time.Sleep(10 * time.Minute)
		want(t, "retry", s.takeTrace(), "+bad")
		s.act("bad", boom)
		sup.wantState("bad", supervise.Parked) // at once
		time.Sleep(10 * time.Minute)
		time.Sleep(2 * time.Hour) // stable, and its failures have left the window
		s.takeTrace()
		s.act("bad", boom)
		sup.wantState("bad", supervise.Waiting)
		sup.stopFine()
	})
}

func TestChildThatFailsAfterParkingIsParkedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{
			OnBreach: supervise.BreachPark, ParkFor: time.Hour, Intensity: supervise.Restarts(1), Window: time.Minute,
			Children: []supervise.Child{s.child("a", fixed(time.Second))},
		})
		s.act("a", boom)
		time.Sleep(time.Second)
		s.act("a", boom)
		time.Sleep(time.Hour)
		sup.wantState("a", supervise.Running)
		s.act("a", boom) // the only failure in the window
		sup.wantState("a", supervise.Parked)
		sup.stopFine()
	})
}

func TestParkingAppliesToTheFirstStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		bad := s.child("bad", fixed(time.Second))
		bad.Service = supervise.ServiceFunc(func(context.Context) error { return errBoom })
		sup := serve(t, supervise.Spec{
			OnBreach: supervise.BreachPark, Intensity: supervise.Restarts(1), Children: []supervise.Child{s.child("a"), bad, s.child("c")},
		})
		want(t, "the others do not wait", s.takeTrace(), "+a +c")
		time.Sleep(2 * time.Second)
		sup.wantState("bad", supervise.Parked)
		time.Sleep(time.Hour)
		sup.stopFine()
	})
}

func TestContextEndsWithTheIncarnation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		sup := serve(t, supervise.Spec{Intensity: supervise.Restarts(0), Children: []supervise.Child{{
			Name: "a", Service: supervise.ServiceFunc(func(ctx context.Context) error {
				context.AfterFunc(ctx, func() { close(ended) })
				return errBoom
			}),
		}}})
		wantIs(t, <-sup.done, errBoom)
		<-ended
	})
}

func TestRestartDoesNotDelayTheFirstStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		// slowly makes consecutive starts take the given times.
		slowly := func(times ...time.Duration) func(*supervise.Child) {
			return func(c *supervise.Child) {
				service := c.Service
				c.StartTimeout = 24 * time.Hour
				c.Service = supervise.ServiceFunc(func(ctx context.Context) error {
					take := times[0]
					times = times[1:]
					time.Sleep(take)
					return service.Serve(ctx)
				})
			}
		}
		sup := serve(t, supervise.Spec{Children: []supervise.Child{
			s.child("a", fixed(time.Second), slowly(0, 2*time.Hour)), s.child("b", slowly(time.Hour)), s.child("c"),
		}})
		s.act("a", boom)
		time.Sleep(time.Hour + time.Minute)
		want(t, "c waits only for b", s.takeTrace(), "+a +b +c")
		time.Sleep(2 * time.Hour)
		want(t, "finally a", s.takeTrace(), "+a")
		sup.stopFine()
	})
}

func TestTemporaryChildThatFailsAtFirstStartFailsTheSupervisor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		bad := s.child("b", kind(supervise.Temporary))
		bad.Service = supervise.ServiceFunc(func(context.Context) error { return errBoom })
		sup := serve(t, supervise.Spec{Children: append(s.children("a"), bad)})
		err := <-sup.done
		if start, ok := errors.AsType[*supervise.StartError](err); !ok || start.Child != "b" {
			t.Errorf("got %v, want that b did not start", err)
		}
	})
}

func TestEscalatedPanicIsAnErrorForTheParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		inner, err := supervise.New(supervise.Spec{Name: "inner", Intensity: supervise.Restarts(0), Children: s.children("a")})
		wantNil(t, err)
		var events eventLog
		sup := serve(t, supervise.Spec{Events: events.put, Children: []supervise.Child{{Name: "inner", Service: inner}}})
		s.act("a", func() error { panic("boom") })
		got := events.last(t, supervise.EventFailed)
		breach, ok := errors.AsType[*supervise.BreachError](got.Err)
		if got.Class != supervise.ClassError || !ok || breach.Class != supervise.ClassPanic {
			t.Errorf("got %+v, want an error that describes the nested panic", got)
		}
		sup.stopFine()
	})
}

func TestGivenUpChildStaysDownUntilRestartedByCommand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{
			OnBreach: supervise.BreachStop, Strategy: supervise.RestForOne, Intensity: supervise.Restarts(0), Children: s.children("a", "b", "c"),
		})
		s.takeTrace()
		s.act("b", boom)
		time.Sleep(24 * time.Hour)
		want(t, "dependent children are down too", s.takeTrace(), "-c")
		sup.wantState("b", supervise.GivenUp)
		wantNil(t, sup.Restart("b"))
		want(t, "restart", s.takeTrace(), "+b +c")
		sup.stopFine()
	})
}

func TestSupervisorServesRepeatedlyButNotConcurrently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Children: s.children("a")})
		wantIs(t, sup.Serve(t.Context()), supervise.ErrServing)
		sup.stopFine()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sup.Serve(ctx) }()
		if got := sup.child("a"); got.Incarnation != 2 {
			t.Errorf("got %+v, want the second incarnation", got)
		}
		cancel()
		wantNil(t, <-done)
		want(t, "trace", s.takeTrace(), "+a -a +a -a")
	})
}

func TestReadyAndFencedOutsideASupervisor(t *testing.T) {
	t.Parallel()
	supervise.Ready(t.Context())
	wantNil(t, supervise.Fenced(t.Context()))
}
