package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/supervise"
)

// The traces in this file were recorded from the supervisor of Erlang/OTP 25.
// Where a test expects something else, it states the reason.

func TestTraceOfStartAndStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Children: s.children("a", "b", "c")})
		want(t, "start", s.takeTrace(), "+a +b +c")
		sup.stopFine()
		want(t, "stop", s.takeTrace(), "-c -b -a")
	})
}

func TestTraceOfACrash(t *testing.T) {
	t.Parallel()
	for strategy, trace := range map[supervise.Strategy]string{
		supervise.OneForOne:  "+b",
		supervise.RestForOne: "-c +b +c",
		supervise.OneForAll:  "-c -a +a +b +c",
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				sup := serve(t, supervise.Spec{Strategy: strategy, Children: s.children("a", "b", "c")})
				s.takeTrace()
				s.act("b", boom)
				time.Sleep(long)
				want(t, "trace", s.takeTrace(), trace)
				sup.stopFine()
			})
		})
	}
}

func TestTraceOfABreach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{
			Intensity: supervise.Restarts(3), Window: time.Hour, Children: s.children("b", "a"),
		})
		s.takeTrace()
		var alive []bool
		for range 4 {
			s.act("a", boom)
			time.Sleep(long)
			alive = append(alive, sup.alive())
		}
		want(t, "alive", fmt.Sprint(alive), "[true true true false]")
		want(t, "trace", s.takeTrace(), "+a +a +a -b")
		err := <-sup.done
		breach, ok := errors.AsType[*supervise.BreachError](err)
		if !ok || breach.Child != "a" || breach.Class != supervise.ClassError || !errors.Is(err, errBoom) {
			t.Errorf("got %v, want a breach by a that wraps its error", err)
		}
	})
}

func TestTraceOfAGroupRestartThatCountsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{
			Strategy: supervise.OneForAll, Intensity: supervise.Restarts(1), Window: time.Hour, Children: s.children("a", "b", "c", "d"),
		})
		s.takeTrace()
		s.act("b", boom)
		time.Sleep(long)
		want(t, "trace", s.takeTrace(), "-d -c -a +a +b +c +d")
		sup.stopFine()
	})
}

func TestTraceOfATransientChildsNormalEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a", kind(supervise.Transient))}})
		s.act("a", fine)
		time.Sleep(long)
		sup.wantState("a", supervise.Ended)
		wantNil(t, sup.Restart("a"))
		want(t, "trace", s.takeTrace(), "+a +a")
		sup.stopFine()
	})
}

func TestTraceOfATemporaryChildsCrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a", kind(supervise.Temporary))}})
		s.act("a", boom)
		time.Sleep(long)
		if got := sup.Children(); len(got) != 0 {
			t.Errorf("got %v, want no child", got)
		}
		wantIs(t, sup.Restart("a"), supervise.ErrNotFound)
		want(t, "trace", s.takeTrace(), "+a")
		sup.stopFine()
	})
}

func TestTraceOfATemporarySibling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{
			Strategy: supervise.OneForAll, Children: []supervise.Child{s.child("a"), s.child("t", kind(supervise.Temporary)), s.child("c")},
		})
		s.takeTrace()
		s.act("a", boom)
		time.Sleep(long)
		want(t, "trace", s.takeTrace(), "-c -t +a +c")
		sup.stopFine()
	})
}

func TestTraceOfAPermanentChildsNormalEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Intensity: supervise.Restarts(1), Window: time.Hour, Children: s.children("a")})
		s.takeTrace()
		s.act("a", fine)
		time.Sleep(long)
		want(t, "trace", s.takeTrace(), "+a")
		s.act("a", fine) // the end counts
		if sup.alive() {
			t.Error("got a running supervisor, want a breach")
		}
	})
}

func TestTraceOfAChildThatIgnoresItsShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a", slow(3*time.Second, 200*time.Millisecond))}})
		began := time.Now()
		err := sup.stop()
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("got a stop in %s, want 200ms", took)
		}
		if stuck, ok := errors.AsType[*supervise.StuckError](err); !ok || fmt.Sprint(stuck.Children) != "[a]" {
			t.Errorf("got %v, want a named", err) // OTP kills it, which Go cannot
		}
		time.Sleep(3 * time.Second)
	})
}

func TestTraceOfRestartsThatFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		fails := false
		child := s.child("a")
		service := child.Service
		child.Service = supervise.ServiceFunc(func(ctx context.Context) error {
			if fails {
				s.note("a?")
				return errBoom
			}
			return service.Serve(ctx)
		})
		began := time.Now()
		sup := serve(t, supervise.Spec{Intensity: supervise.Restarts(3), Window: time.Hour, Children: []supervise.Child{child}})
		fails = true
		s.act("a", boom)
		wantIs(t, <-sup.done, errBoom)
		want(t, "trace", s.takeTrace(), "+a a? a? a?")
		if took := time.Since(began); took < 350*time.Millisecond { // OTP: within milliseconds
			t.Errorf("got the end after %s, want a back-off between the starts", took)
		}
	})
}

func TestTraceOfEscalation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		inner, err := supervise.New(supervise.Spec{Name: "inner", Intensity: supervise.Restarts(2), Window: time.Hour, Children: s.children("a")})
		if err != nil {
			t.Fatal(err)
		}
		sup := serve(t, supervise.Spec{
			Name: "outer", Intensity: supervise.Restarts(3), Window: time.Hour, Children: []supervise.Child{{Name: "inner", Service: inner}},
		})
		for range 11 {
			s.act("a", boom)
			time.Sleep(long)
		}
		if got := sup.child("inner"); len(got.Children) != 1 || got.Children[0].Name != "a" || got.Strategy != "one_for_one" || got.Restarts != 3 {
			t.Errorf("got %+v, want the nested tree", got)
		}
		s.act("a", boom)
		wantIs(t, <-sup.done, errBoom)
		want(t, "starts", s.takeTrace(), strings.TrimSpace(strings.Repeat("+a ", (2+1)*(3+1))))
	})
}

func TestTraceOfAFirstStartThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		nope := s.child("c")
		nope.Service = supervise.ServiceFunc(func(context.Context) error { return errBoom })
		sup := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a"), s.child("b"), nope, s.child("d")}})
		err := <-sup.done
		if start, ok := errors.AsType[*supervise.StartError](err); !ok || start.Child != "c" || !errors.Is(err, errBoom) {
			t.Errorf("got %v, want a failed start of c", err)
		}
		want(t, "trace", s.takeTrace(), "+a +b -b -a")
	})
}

func TestTraceOfDynamicChildrenThatAreLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		inner, err := supervise.New(supervise.Spec{Name: "inner", Intensity: supervise.Restarts(0), Children: s.children("a")})
		if err != nil {
			t.Fatal(err)
		}
		sup := serve(t, supervise.Spec{Children: []supervise.Child{{Name: "inner", Service: inner}}})
		wantNil(t, inner.Add(s.child("b")))
		want(t, "start", s.takeTrace(), "+a +b")
		s.act("a", boom)
		time.Sleep(long)
		want(t, "restart", s.takeTrace(), "-b +a")
		if got := inner.Children(); len(got) != 1 {
			t.Errorf("got %v, want a alone", got)
		}
		sup.stopFine()
	})
}

func TestTraceOfStoppingSideBySide(t *testing.T) {
	t.Parallel()
	for strategy, takes := range map[supervise.Strategy]time.Duration{
		supervise.Dynamic:   100 * time.Millisecond,
		supervise.OneForOne: 500 * time.Millisecond,
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				sup := serve(t, supervise.Spec{Strategy: strategy})
				for i := range 5 {
					wantNil(t, sup.Add(s.child(strconv.Itoa(i), slow(100*time.Millisecond, time.Second))))
				}
				synctest.Wait()
				began := time.Now()
				sup.stopFine()
				if took := time.Since(began); took != takes {
					t.Errorf("got a stop in %s, want %s", took, takes)
				}
			})
		})
	}
}

func TestDynamicChildrenOfTheSpecStartSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sluggish := func(c *supervise.Child) {
			service := c.Service
			c.Service = supervise.ServiceFunc(func(ctx context.Context) error {
				time.Sleep(900 * time.Millisecond)
				return service.Serve(ctx)
			})
		}
		sup, err := supervise.New(supervise.Spec{
			Name: "test", Strategy: supervise.Dynamic, Children: []supervise.Child{s.child("a", sluggish), s.child("b", sluggish), s.child("c", sluggish)},
		})
		wantNil(t, err)
		began := time.Now()
		wantNil(t, sup.Start(t.Context()))
		if took := time.Since(began); took != 900*time.Millisecond {
			t.Errorf("got a start in %s, want the time for one child", took)
		}
		wantNil(t, sup.Stop(t.Context()))
		wantNil(t, sup.Start(t.Context()))
		if got := sup.Children(); len(got) != 3 || got[2].State != supervise.Running {
			t.Errorf("got %v, want all three children", got)
		}
		wantNil(t, sup.Stop(t.Context()))
	})
}

func TestTraceOfSignificantChildren(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		job := s.child("job", kind(supervise.Transient), significant)
		sup := serve(t, supervise.Spec{AutoShutdown: supervise.AnySignificant, Children: []supervise.Child{s.child("a"), job}})
		s.takeTrace()
		wantNil(t, sup.StopChild("job"))
		if !sup.alive() {
			t.Fatal("got the end after a stop by command, want a running supervisor")
		}
		wantNil(t, sup.Restart("job"))
		want(t, "by command", s.takeTrace(), "-job +job")
		s.act("job", boom)
		time.Sleep(long)
		want(t, "a failure", s.takeTrace(), "+job")
		s.act("job", fine)
		wantIs(t, <-sup.done, supervise.ErrShutdown)
		want(t, "its end", s.takeTrace(), "-a")
	})
}

func TestAllSignificantChildrenMustEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{AutoShutdown: supervise.AllSignificant, Children: []supervise.Child{
			s.child("one", kind(supervise.Transient), significant), s.child("other", kind(supervise.Transient), significant), s.child("a"),
		}})
		s.act("one", fine)
		if !sup.alive() {
			t.Fatal("got the end after the first job, want it after the last")
		}
		s.act("other", fine)
		wantIs(t, <-sup.done, supervise.ErrShutdown)
		want(t, "trace", s.takeTrace(), "+one +other +a -a")
	})
}

func TestTraceOfIntensityZero(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Intensity: supervise.Restarts(0), Children: s.children("a", "b")})
		s.takeTrace()
		s.act("a", boom)
		wantIs(t, <-sup.done, errBoom)
		want(t, "trace", s.takeTrace(), "-b")
	})
}

func TestTraceOfTheSlidingWindow(t *testing.T) {
	t.Parallel()
	// Intensity 2 in 10 s: two crashes, a pause, a third crash.
	for pause, alive := range map[time.Duration]bool{
		9 * time.Second:                    false,
		10 * time.Second:                   false, // the window includes both ends
		10*time.Second + time.Nanosecond:   true,
		10*time.Second + 2*time.Nanosecond: true,
	} {
		t.Run(pause.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newHarness()
				sup := serve(t, supervise.Spec{Intensity: supervise.Restarts(2), Window: 10 * time.Second, Children: s.children("a", "b", "c")})
				s.act("a", boom)
				s.act("b", boom)
				time.Sleep(pause)
				s.act("c", boom)
				if got := sup.alive(); got != alive {
					t.Errorf("got alive %t, want %t", got, alive)
				}
				sup.cancel()
			})
		})
	}
}

func TestTraceOfAChildStoppedByCommand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Strategy: supervise.RestForOne, Children: s.children("a", "b", "c")})
		s.takeTrace()
		wantNil(t, sup.StopChild("b"))
		want(t, "stop", s.takeTrace(), "-b")
		s.act("a", boom)
		time.Sleep(long)
		want(t, "trace", s.takeTrace(), "-c +a +b +c")
		sup.stopFine()
	})
}

func TestTraceOfATransientSiblingThatHadEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{
			Strategy: supervise.OneForAll, Children: []supervise.Child{s.child("a"), s.child("b", kind(supervise.Transient)), s.child("c")},
		})
		s.act("b", fine)
		s.takeTrace()
		s.act("a", boom)
		time.Sleep(long)
		want(t, "trace", s.takeTrace(), "-c +a +b +c")
		sup.stopFine()
	})
}

func TestTraceOfRemovingAChildThatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newHarness()
		sup := serve(t, supervise.Spec{Children: s.children("a")})
		wantIs(t, sup.Remove("a"), supervise.ErrRunning)
		wantNil(t, sup.StopChild("a"))
		synctest.Wait()
		wantNil(t, sup.Remove("a"))
		wantIs(t, sup.Remove("a"), supervise.ErrNotFound)
		want(t, "trace", s.takeTrace(), "+a -a")
		sup.stopFine()
	})
}
