package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/supervise"
)

// commands returns all commands for a child.
func commands(sup *supervise.Supervisor, s *harness, about string) []command {
	return []command{
		{"children", func() error { sup.Children(); return nil }},
		{"add", func() error { return sup.Add(s.child("new " + about)) }},
		{"disable", func() error { return sup.Disable(about) }},
		{"enable", func() error { return sup.Enable(about) }},
		{"restart", func() error { return sup.Restart(about) }},
		{"stop", func() error { return sup.StopChild(about) }},
		{"remove", func() error { return sup.Remove(about) }},
	}
}

type command struct {
	name string
	give func() error
}

func TestCommandsReturnAtOnceInEveryState(t *testing.T) {
	t.Parallel()
	for _, about := range []string{"starting", "stopping", "stuck", "waiting", "fine"} {
		for _, strategy := range []supervise.Strategy{supervise.OneForOne, supervise.RestForOne, supervise.OneForAll} {
			t.Run(fmt.Sprint(strategy, " for ", about), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					testCommandsAbout(t, about, strategy)
				})
			})
		}
	}
}

func testCommandsAbout(t *testing.T, about string, strategy supervise.Strategy) {
	t.Helper()
	s := newHarness()
	b := newStubborn()
	defer b.release()
	sup := serve(t, supervise.Spec{Strategy: strategy, Children: []supervise.Child{
		s.child("fine"),
		s.child("stopping", slow(time.Minute, time.Hour)),
		s.child("waiting", fixed(time.Hour)),
		b.child(s, "stuck", supervise.StuckRefuse),
		s.child("starting", func(c *supervise.Child) {
			c.StartTimeout = time.Hour
			c.Service = supervise.ServiceFunc(func(ctx context.Context) error { <-ctx.Done(); return nil })
		}),
	}})
	wantNil(t, sup.StopChild("stuck"))
	time.Sleep(2 * time.Second)
	wantNil(t, sup.StopChild("stopping"))
	s.act("waiting", boom)
	began := time.Now()
	for _, command := range commands(sup.Supervisor, s, about) {
		err := command.give()
		if err != nil && !errors.Is(err, supervise.ErrStuck) && !errors.Is(err, supervise.ErrRunning) && !errors.Is(err, supervise.ErrDisabled) {
			t.Errorf("%s: got %v, want a result", command.name, err)
		}
	}
	if took := time.Since(began); took != 0 {
		t.Errorf("got results after %s, want them at once", took)
	}
	sup.cancel()
	<-sup.done
}

func TestChildMayCommandItsOwnSupervisor(t *testing.T) {
	t.Parallel()
	for i, command := range commands(nil, nil, "") {
		t.Run(command.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				sup := serve(t, supervise.Spec{Strategy: supervise.OneForAll, Children: s.children("a", "b")})
				s.act("b", func() error {
					if err := commands(sup.Supervisor, s, "b")[i].give(); err != nil && !errors.Is(err, supervise.ErrRunning) {
						t.Errorf("got %v, want a result", err)
					}
					return supervise.ErrShutdown
				})
				time.Sleep(long)
				sup.stopFine()
			})
		})
	}
}

func TestChildMayStopItsOwnSupervisor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		var sup *supervise.Supervisor
		stopping := s.child("b")
		stopping.Service = supervise.ServiceFunc(func(ctx context.Context) error {
			supervise.Ready(ctx)
			time.Sleep(time.Second)
			return sup.Stop(ctx)
		})
		var err error
		sup, err = supervise.New(supervise.Spec{Name: "test", Children: append(s.children("a"), stopping)})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		wantNil(t, sup.Start(t.Context()))
		<-sup.Done()
		wantNil(t, sup.Stop(t.Context()))
		if took := time.Since(began); took != time.Second {
			t.Errorf("got the end after %s, want it at once after the request", took)
		}
		want(t, "trace", s.takeTrace(), "+a -a")
	})
}

func TestDisabledChildStaysDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		inner, err := supervise.New(supervise.Spec{Name: "inner", Strategy: supervise.OneForAll, Intensity: supervise.Restarts(1), Window: time.Hour, Children: s.children("a", "b", "c")})
		if err != nil {
			t.Fatal(err)
		}
		sup := serve(t, supervise.Spec{Children: []supervise.Child{{Name: "inner", Service: inner}}})
		s.takeTrace()
		wantNil(t, inner.Disable("b"))
		want(t, "disable", s.takeTrace(), "-b")
		s.act("a", boom)
		time.Sleep(long)
		want(t, "after a group restart", s.takeTrace(), "-c +a +c")
		s.act("a", boom)
		time.Sleep(long)
		want(t, "after a supervisor restart", s.takeTrace(), "-c +a +c")
		wantIs(t, inner.Restart("b"), supervise.ErrDisabled)
		wantNil(t, inner.StopChild("b"))
		if got := inner.Children()[1]; got.State != supervise.Disabled {
			t.Errorf("got %+v, want disabled", got)
		}
		wantNil(t, inner.Enable("b"))
		want(t, "enable", s.takeTrace(), "+b")
		wantNil(t, inner.Enable("b"))
		want(t, "enable again", s.takeTrace(), "")
		sup.stopFine()
	})
}

func TestStopDuringAGroupRestartIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Strategy: supervise.OneForAll, Children: []supervise.Child{
			s.child("a"), s.child("b"), s.child("c", slow(time.Second, time.Minute)),
		}})
		s.takeTrace()
		s.act("a", boom)
		wantNil(t, sup.StopChild("b")) // while c is stopping
		time.Sleep(long)
		want(t, "trace", s.takeTrace(), "-c -b +a +c")
		sup.stopFine()
	})
}

func TestRestartCommandRestartsTheGroupAndDoesNotCount(t *testing.T) {
	t.Parallel()
	for strategy, trace := range map[supervise.Strategy]string{
		supervise.OneForOne: "-b +b", supervise.RestForOne: "-c -b +b +c", supervise.OneForAll: "-c -b -a +a +b +c",
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				sup := serve(t, supervise.Spec{Strategy: strategy, Intensity: supervise.Restarts(0), Children: s.children("a", "b", "c")})
				s.takeTrace()
				wantNil(t, sup.Restart("b"))
				want(t, "trace", s.takeTrace(), trace)
				if got := sup.child("b"); got.Restarts != 0 || got.Incarnation != 2 {
					t.Errorf("got %+v, want no restart counted", got)
				}
				sup.stopFine()
			})
		})
	}
}

func TestRestartDuringAGroupRestartKeepsTheGroupComplete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Strategy: supervise.RestForOne, Children: []supervise.Child{
			s.child("a"), s.child("b"), s.child("c"), s.child("d", slow(time.Second, time.Minute)),
		}})
		s.takeTrace()
		s.act("a", boom)
		wantNil(t, sup.Restart("c")) // while d is stopping
		time.Sleep(long)
		want(t, "trace", s.takeTrace(), "-d -c -b +a +b +c +d")
		sup.stopFine()
	})
}

func TestRestartEndsABackOffOnce(t *testing.T) {
	t.Parallel()
	for _, strategy := range []supervise.Strategy{supervise.OneForOne, supervise.RestForOne, supervise.OneForAll} {
		t.Run(strategy.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				sup := serve(t, supervise.Spec{Strategy: strategy, Children: []supervise.Child{s.child("a", fixed(time.Minute))}})
				s.takeTrace()
				s.act("a", boom)
				wantNil(t, sup.Restart("a"))
				want(t, "at once", s.takeTrace(), "+a")
				time.Sleep(time.Hour)
				want(t, "the back-off timer is cancelled", s.takeTrace(), "")
				s.act("a", boom)
				wantNil(t, sup.StopChild("a"))
				time.Sleep(time.Hour)
				want(t, "stopped during its back-off", s.takeTrace(), "")
				sup.wantState("a", supervise.Stopped)
				sup.stopFine()
			})
		})
	}
}

func TestAddAndRemove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Strategy: supervise.RestForOne, Children: []supervise.Child{s.child("a", fixed(time.Second))}})
		wantNil(t, sup.Add(s.child("b")))
		wantIs(t, sup.Add(s.child("b")), supervise.ErrDuplicate)
		err := sup.Add(supervise.Child{Restart: 7})
		for _, part := range []string{"no name", "no service", "restart 7"} {
			if !strings.Contains(fmt.Sprint(err), part) {
				t.Errorf("got %v, want it to say %q", err, part)
			}
		}
		s.act("a", boom)
		wantNil(t, sup.Add(s.child("c")))
		want(t, "c waits for a", s.takeTrace(), "+a +b -b")
		time.Sleep(time.Second)
		want(t, "up again", s.takeTrace(), "+a +b +c")
		wantNil(t, sup.StopChild("b"))
		synctest.Wait()
		wantNil(t, sup.Remove("b"))
		wantIs(t, sup.Remove("c"), supervise.ErrRunning)
		sup.stopFine()
	})
}

func TestDynamicChildrenAreStoppedAndForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Strategy: supervise.Dynamic})
		for _, name := range []string{"a", "b", "c"} {
			wantNil(t, sup.Add(s.child(name, fixed(time.Second), slow(time.Second, time.Minute))))
		}
		synctest.Wait()
		s.takeTrace()
		wantNil(t, sup.Remove("b"))
		wantNil(t, sup.Remove("b")) // already stopping
		s.act("a", boom)
		time.Sleep(3 * time.Second)
		want(t, "trace", s.takeTrace(), "-b +a")
		if got := sup.Children(); len(got) != 2 {
			t.Errorf("got %v, want two", got)
		}
		sup.stopFine()
	})
}

func TestCommandsWithoutServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Children: s.children("a")})
		wantIs(t, sup.Restart("x"), supervise.ErrNotFound)
		sup.stopFine()
		for _, command := range commands(sup.Supervisor, s, "a") {
			if err := command.give(); command.name != "children" && !errors.Is(err, supervise.ErrNotServing) {
				t.Errorf("%s: got %v, want ErrNotServing", command.name, err)
			}
		}
	})
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup, err := supervise.New(supervise.Spec{Name: "test", Children: s.children("a", "b")})
		wantNil(t, err)
		wantIs(t, sup.Stop(t.Context()), supervise.ErrNotStarted)
		wantNil(t, sup.Start(t.Context()))
		want(t, "ready when Start returns", s.takeTrace(), "+a +b")
		wantIs(t, sup.Start(t.Context()), supervise.ErrServing)
		wantNil(t, sup.Stop(t.Context()))
		want(t, "stopped when Stop returns", s.takeTrace(), "-b -a")
		wantNil(t, sup.Stop(t.Context()))
		wantNil(t, sup.Start(t.Context()))
		wantNil(t, sup.Stop(t.Context()))
	})
}

func TestStartStopsAllChildrenAfterItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		lame := s.child("b", func(c *supervise.Child) {
			c.StartTimeout = time.Hour
			c.Service = supervise.ServiceFunc(func(ctx context.Context) error { <-ctx.Done(); return nil })
		})
		sup, err := supervise.New(supervise.Spec{Name: "test", Children: append(s.children("a"), lame)})
		wantNil(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantIs(t, sup.Start(ctx), context.DeadlineExceeded)
		want(t, "everything stopped", s.takeTrace(), "+a -a")
	})
}

func TestStopContinuesAfterItsCallerGaveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup, err := supervise.New(supervise.Spec{Name: "test", Children: []supervise.Child{s.child("a", slow(time.Second, time.Minute))}})
		wantNil(t, err)
		wantNil(t, sup.Start(t.Context()))
		gone, leave := context.WithCancel(t.Context())
		leave()
		began := time.Now()
		wantIs(t, sup.Stop(gone), context.Canceled)
		if took := time.Since(began); took != 0 {
			t.Errorf("got a return after %s, want it at once", took)
		}
		wantNil(t, sup.Stop(t.Context()))
		want(t, "trace", s.takeTrace(), "+a -a")
	})
}

func TestNewReturnsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := supervise.New(supervise.Spec{
		Strategy: 9, Intensity: supervise.Restarts(-1), Window: -1, OnBreach: 8, AutoShutdown: 7,
		Children: []supervise.Child{
			{Name: "a"},
			{Name: "a", Shutdown: -1, Restart: 7, OnStuck: 6},
			{},
			{Name: "s", Significant: true, OnStuck: supervise.StuckExit},
		},
	})
	for _, part := range []string{
		"name: found none", "strategy: found 9", "intensity: found -1", "window -1ns", "on breach: found 8", "auto shutdown: found 7",
		"child a: found no service", "child a: found its name twice", "shutdown -1ns", "restart 7", "on stuck 6", "child 2: found no name",
		"child s: found permanent and significant", "child s: found on stuck exit",
	} {
		if !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("got %v, want it to say %q", err, part)
		}
	}
}
