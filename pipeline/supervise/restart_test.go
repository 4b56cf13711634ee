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
		{"transient, somebody else's context ended", supervise.Transient, func() error { return context.Canceled }, "+a"},
		{"transient, an operation timed out", supervise.Transient, func() error { return context.DeadlineExceeded }, "+a"},
		{"transient, panicked with the word for a normal end", supervise.Transient, func() error { panic(supervise.ErrShutdown) }, "+a"},
		{"temporary, failed", supervise.Temporary, boom, ""},
		{"temporary, normal end", supervise.Temporary, fine, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a", kind(c.restart))}})
				s.told()
				s.act("a", c.end)
				time.Sleep(long)
				want(t, "trace", s.told(), c.back)
				sup.stopFine()
			})
		})
	}
}

// deferred panics or exits in a deferred function, as a service does that
// fails to clean up.
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
		{"panic with nil", supervise.ClassPanic, func() error { panic(nil) }, true}, //nolint:govet // what people do
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
				s := newStage()
				var events eventLog
				sup := serve(t, supervise.Spec{Events: events.put, Children: s.children("a", "b")})
				s.told()
				s.act("a", c.end)
				got := sup.child("a")
				if got.LastClass != c.class || got.LastError == "" || got.State != supervise.Waiting || (got.LastStack != "") != c.stack {
					t.Errorf("got %+v, want waiting after %s", got, c.class)
				}
				event := events.last(t, supervise.EventFailed)
				if event.Class != c.class || event.Err == nil || strings.Contains(event.Stack, "(*stage).child") != c.stack {
					t.Errorf("got event %+v, want %s with the stack of the service", event, c.class)
				}
				time.Sleep(long)
				if got := sup.child("a"); got.State != supervise.Running || got.Restarts != 1 || got.Incarnation != 2 {
					t.Errorf("got %+v, want running again", got)
				}
				want(t, "trace", s.told(), "+a")
				sup.stopFine()
			})
		})
	}
}

func TestFailuresWhileStoppingAreTold(t *testing.T) {
	t.Parallel()
	for class, end := range map[supervise.Class]func(){
		supervise.ClassPanic:  func() { panic("cleaning up") },
		supervise.ClassGoexit: runtime.Goexit,
	} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var events eventLog
				s := newStage()
				child := supervise.Child{Name: "a", Service: supervise.ServiceFunc(func(ctx context.Context) error {
					<-ctx.Done()
					end()
					return nil
				})}
				sup := serve(t, supervise.Spec{Events: events.put, Children: append(s.children("z"), child)})
				sup.stopFine() // that it panicked is no reason to fail: it has stopped
				if got := events.last(t, supervise.EventFailed); got.Class != class || got.Child != "a" || got.Stack == "" {
					t.Errorf("got event %+v, want %s", got, class)
				}
				if got := sup.child("a"); got.LastClass != class {
					t.Errorf("got %+v, want %s", got, class)
				}
				want(t, "the others", s.told(), "+z -z")
			})
		})
	}
}

func TestStartThatTakesTooLongIsATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
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
		s.told()
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
		want(t, "c waits for b", s.told(), "-c b? b? -a")
	})
}

func TestFirstStartThatTakesTooLongFailsTheSupervisor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		lame := s.child("b")
		lame.Service = supervise.ServiceFunc(func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a"), lame, s.child("c")}})
		err := <-sup.done
		if start, ok := errors.AsType[*supervise.StartError](err); !ok || start.Class != supervise.ClassTimeout || start.Child != "b" {
			t.Errorf("got %v, want that b did not start in time", err)
		}
		want(t, "trace", s.told(), "+a -a")
	})
}

func TestChildrenWaitForTheOneBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
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
		want(t, "trace", s.told(), "+a +b")
		sup.wantState("b", supervise.Running)
		sup.stopFine()
	})
}

// fixed is a back-off that always waits as long.
func fixed(d time.Duration) func(*supervise.Child) {
	return func(c *supervise.Child) {
		c.Backoff = func() backoff.BackOff { return backoff.NewConstantBackOff(d) }
	}
}

func TestBackOffGrowsUntilTheChildWasReadyForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		doubling := func(c *supervise.Child) {
			c.Backoff = func() backoff.BackOff {
				return backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Second), backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0))
			}
		}
		sup := serve(t, supervise.Spec{Stable: 20 * time.Second, Intensity: supervise.Restarts(100), Children: []supervise.Child{s.child("a", doubling), s.child("b")}})
		s.told()
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
			want(t, fmt.Sprint(step, " before"), s.told(), "")
			time.Sleep(time.Nanosecond)
			want(t, fmt.Sprint(step, " after"), s.told(), "+a")
		}
		sup.stopFine()
	})
}

func TestChildInBackOffDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a", fixed(time.Hour)), s.child("b", fixed(time.Second))}})
		s.told()
		s.act("a", boom)
		s.act("b", boom)
		time.Sleep(time.Second)
		want(t, "b", s.told(), "+b")
		wantNil(t, sup.Add(s.child("c")))
		want(t, "c", s.told(), "+c")
		wantNil(t, sup.Restart("a"))
		want(t, "a", s.told(), "+a")
		sup.stopFine()
	})
}

func TestWhatIsNobodysFailureDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
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
		want(t, "not even at the first start", s.told(), "+a")
		if got := sup.child("b"); got.LastClass != supervise.ClassUnavailable || got.State != supervise.Waiting {
			t.Errorf("got %+v, want b waiting for what is away", got)
		}
		away.Store(false)
		time.Sleep(time.Second)
		want(t, "it is back", s.told(), "+b +c")
		away.Store(true)
		s.act("b", func() error { return supervise.ErrUnavailable })
		time.Sleep(10 * time.Minute)
		want(t, "away again", s.told(), "-c")
		sup.stopFine()
	})
}

func TestBackOffThatEndsIsABreach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
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
				s := newStage()
				sup := serve(t, supervise.Spec{Strategy: strategy, Children: []supervise.Child{s.child("a"), s.child("b", fixed(time.Minute)), s.child("c")}})
				s.told()
				s.act("b", boom)
				want(t, "at once", s.told(), down)
				time.Sleep(59 * time.Second)
				want(t, "in back-off", s.told(), "")
				time.Sleep(time.Second)
				if s.told() == "" {
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
		s := newStage()
		sup := serve(t, supervise.Spec{
			Strategy: supervise.RestForOne, Intensity: supervise.Restarts(2), Window: time.Hour,
			Children: []supervise.Child{s.child("a", fixed(time.Second)), s.child("b", fixed(10*time.Second)), s.child("c", slow(3*time.Second, time.Minute))},
		})
		s.told()
		s.act("b", boom) // c takes its time to stop
		s.act("a", boom) // meanwhile
		time.Sleep(2 * time.Second)
		want(t, "nobody starts before the group is down", s.told(), "-c")
		time.Sleep(2 * time.Second)
		want(t, "a starts, b waits for its own back-off, c for b", s.told(), "+a")
		time.Sleep(10 * time.Second)
		want(t, "the rest", s.told(), "+b +c")
		sup.stopFine()
	})
}

func TestMemberThatFailsWhileItsGroupStopsDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		var events eventLog
		sup := serve(t, supervise.Spec{
			Events: events.put, Strategy: supervise.OneForAll, Intensity: supervise.Restarts(1), Window: time.Hour,
			Children: []supervise.Child{s.child("a"), s.child("b"), s.child("c", slow(3*time.Second, time.Minute))},
		})
		s.told()
		s.act("b", boom)
		s.act("a", boom) // before it was told to stop
		time.Sleep(long)
		want(t, "trace", s.told(), "-c +a +b +c")
		if got := events.count(supervise.EventFailed); got != 2 {
			t.Errorf("got %d failures told, want both", got)
		}
		sup.stopFine()
	})
}

func TestParkedChildEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		var events eventLog
		sup := serve(t, supervise.Spec{
			Events: events.put, OnBreach: supervise.BreachPark, ParkFor: 10 * time.Minute, Intensity: supervise.Restarts(2), Window: time.Hour,
			Children: []supervise.Child{s.child("bad", fixed(time.Second)), s.child("good", fixed(time.Second))},
		})
		s.told()
		for range 3 {
			s.act("bad", boom)
			time.Sleep(time.Second)
		}
		sup.wantState("bad", supervise.Parked)
		want(t, "trace", s.told(), "+bad +bad")
		if got := events.last(t, supervise.EventParked); got.Child != "bad" || got.Wait != 10*time.Minute {
			t.Errorf("got %+v, want bad parked", got)
		}
		s.act("good", boom) // which has an intensity of its own
		time.Sleep(time.Second)
		want(t, "good", s.told(), "+good")
		time.Sleep(10 * time.Minute)
		want(t, "tried again", s.told(), "+bad")
		s.act("bad", boom)
		sup.wantState("bad", supervise.Parked) // at once
		time.Sleep(10 * time.Minute)
		time.Sleep(2 * time.Hour) // it was ready for long, and its failures have left the window
		s.told()
		s.act("bad", boom)
		sup.wantState("bad", supervise.Waiting)
		sup.stopFine()
	})
}

func TestParkedChildThatFailsAgainIsParkedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		sup := serve(t, supervise.Spec{
			OnBreach: supervise.BreachPark, ParkFor: time.Hour, Intensity: supervise.Restarts(1), Window: time.Minute,
			Children: []supervise.Child{s.child("a", fixed(time.Second))},
		})
		s.act("a", boom)
		time.Sleep(time.Second)
		s.act("a", boom)
		time.Sleep(time.Hour)
		sup.wantState("a", supervise.Running)
		s.act("a", boom) // alone in its window
		sup.wantState("a", supervise.Parked)
		sup.stopFine()
	})
}

func TestParkingHoldsFromTheFirstStartOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		bad := s.child("bad", fixed(time.Second))
		bad.Service = supervise.ServiceFunc(func(context.Context) error { return errBoom })
		sup := serve(t, supervise.Spec{
			OnBreach: supervise.BreachPark, Intensity: supervise.Restarts(1), Children: []supervise.Child{s.child("a"), bad, s.child("c")},
		})
		want(t, "the others do not wait for it", s.told(), "+a +c")
		time.Sleep(2 * time.Second)
		sup.wantState("bad", supervise.Parked)
		time.Sleep(time.Hour)
		sup.stopFine()
	})
}

func TestContextOfALifeEndsWithIt(t *testing.T) {
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

func TestFirstStartIsNotHeldUpByARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		// slowly makes starts take the given times, one after the other.
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
		want(t, "c waits for b alone", s.told(), "+a +b +c")
		time.Sleep(2 * time.Hour)
		want(t, "a at last", s.told(), "+a")
		sup.stopFine()
	})
}

func TestTemporaryChildThatDoesNotStartAtFirstFailsTheSupervisor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
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
		s := newStage()
		inner, err := supervise.New(supervise.Spec{Name: "inner", Intensity: supervise.Restarts(0), Children: s.children("a")})
		wantNil(t, err)
		var events eventLog
		sup := serve(t, supervise.Spec{Events: events.put, Children: []supervise.Child{{Name: "inner", Service: inner}}})
		s.act("a", func() error { panic("boom") })
		got := events.last(t, supervise.EventFailed)
		breach, ok := errors.AsType[*supervise.BreachError](got.Err)
		if got.Class != supervise.ClassError || !ok || breach.Class != supervise.ClassPanic {
			t.Errorf("got %+v, want an error that tells of the panic further down", got)
		}
		sup.stopFine()
	})
}

func TestChildGivenUpStaysDownUntilSomebodyRestartsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		sup := serve(t, supervise.Spec{
			OnBreach: supervise.BreachStop, Strategy: supervise.RestForOne, Intensity: supervise.Restarts(0), Children: s.children("a", "b", "c"),
		})
		s.told()
		s.act("b", boom)
		time.Sleep(24 * time.Hour)
		want(t, "what stands on it is down too", s.told(), "-c")
		sup.wantState("b", supervise.GivenUp)
		wantNil(t, sup.Restart("b"))
		want(t, "restart", s.told(), "+b +c")
		sup.stopFine()
	})
}

func TestSupervisorServesAgainAndNeverTwiceAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
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
		want(t, "trace", s.told(), "+a -a +a -a")
	})
}

func TestReadyAndFencedOutsideASupervisor(t *testing.T) {
	t.Parallel()
	supervise.Ready(t.Context())
	wantNil(t, supervise.Fenced(t.Context()))
}
