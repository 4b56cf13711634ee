package supervise_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vedette/pipeline/supervise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is where scripted children act, and what they did: +a is "a started",
// -a is "a ended".
type stage struct {
	mu    sync.Mutex
	trace []string
	acts  map[string]chan func() error
}

func newStage() *stage { return &stage{acts: map[string]chan func() error{}} }

func (s *stage) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, what)
}

// told returns what happened since the last call.
func (s *stage) told() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	told := strings.Join(s.trace, " ")
	s.trace = nil
	return told
}

// child runs until it is stopped, or until act makes it do something else. It
// notes how it ends only when it is stopped, as the recorded traces do.
func (s *stage) child(name string) supervise.Child {
	act := make(chan func() error)
	s.acts[name] = act
	return supervise.Child{Name: name, Service: supervise.ServiceFunc(func(ctx context.Context) error {
		s.note("+" + name)
		supervise.Ready(ctx)
		select {
		case <-ctx.Done():
			s.note("-" + name)
			return ctx.Err()
		case do := <-act:
			return do()
		}
	})}
}

func (s *stage) act(name string, do func() error) {
	s.acts[name] <- do
	synctest.Wait()
}

var errBoom = errors.New("boom")

func boom() error { return errBoom }

// serve runs a supervisor; stop ends it and returns what Serve returned.
func serve(t *testing.T, spec supervise.Spec) (sup *supervise.Supervisor, stop func() error, done <-chan error) {
	t.Helper()
	if spec.Name == "" {
		spec.Name = "test"
	}
	sup, err := supervise.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sup.Serve(ctx) }()
	synctest.Wait()
	return sup, func() error {
		cancel()
		return <-ended
	}, ended
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// long is longer than any back-off.
const long = 45 * time.Second

func TestChildrenStartInOrderAndStopInReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		_, stop, _ := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a"), s.child("b"), s.child("c")}})
		want(t, "start", sorted(s.told()), "+a +b +c")
		if err := stop(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		want(t, "stop", s.told(), "-c -b -a")
	})
}

// sorted makes the order in which started goroutines come to note it
// irrelevant.
func sorted(trace string) string {
	parts := strings.Fields(trace)
	for i := range parts {
		for j := i; j > 0 && parts[j] < parts[j-1]; j-- {
			parts[j], parts[j-1] = parts[j-1], parts[j]
		}
	}
	return strings.Join(parts, " ")
}

func TestStrategiesStartAgainWhomTheyName(t *testing.T) {
	t.Parallel()
	cases := []struct {
		strategy      supervise.Strategy
		stopped, back string
	}{
		{supervise.OneForOne, "", "+b"},
		{supervise.RestForOne, "-c", "+b +c"},
		{supervise.OneForAll, "-c -a", "+a +b +c"},
	}
	for _, c := range cases {
		t.Run(c.strategy.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				_, stop, _ := serve(t, supervise.Spec{
					Strategy: c.strategy, Children: []supervise.Child{s.child("a"), s.child("b"), s.child("c")},
				})
				s.told()
				s.act("b", boom)
				time.Sleep(long)
				told := strings.Fields(s.told())
				stopped := len(strings.Fields(c.stopped))
				if len(told) < stopped {
					t.Fatalf("got %v, want %s %s", told, c.stopped, c.back)
				}
				want(t, "stopped", strings.Join(told[:stopped], " "), c.stopped)
				want(t, "started", sorted(strings.Join(told[stopped:], " ")), c.back)
				if err := stop(); err != nil {
					t.Errorf("got %v, want nil", err)
				}
			})
		})
	}
}

func TestRestartTypes(t *testing.T) {
	t.Parallel()
	shutdown := func() error { return supervise.ErrShutdown }
	fine := func() error { return nil }
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
		{"temporary, failed", supervise.Temporary, boom, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				child := s.child("a")
				child.Restart = c.restart
				_, stop, _ := serve(t, supervise.Spec{Children: []supervise.Child{child}})
				s.told()
				s.act("a", c.end)
				time.Sleep(long)
				want(t, "trace", s.told(), c.back)
				if err := stop(); err != nil {
					t.Errorf("got %v, want nil", err)
				}
			})
		})
	}
}

func TestPanicsAndGoexitsAreFailuresWithTheirOwnClass(t *testing.T) {
	t.Parallel()
	for class, end := range map[supervise.Class]func() error{
		supervise.ClassPanic:  func() error { panic("boom") },
		supervise.ClassGoexit: func() error { runtime.Goexit(); return nil },
		supervise.ClassError:  boom,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage()
			sup, stop, _ := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a"), s.child("b")}})
			s.told()
			s.act("a", end)
			if got := sup.Children()[0]; got.LastClass != class || got.LastError == "" || got.State != supervise.Waiting {
				t.Errorf("got %+v, want waiting after %s", got, class)
			}
			time.Sleep(long)
			if got := sup.Children()[0]; got.State != supervise.Running || got.Restarts != 1 || !got.Ready {
				t.Errorf("got %+v, want running again", got)
			}
			want(t, "trace", s.told(), "+a")
			if err := stop(); err != nil {
				t.Errorf("got %v, want nil", err)
			}
		})
	}
}

func TestTooManyRestartsEndTheSupervisorWithTheLastFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		_, _, done := serve(t, supervise.Spec{
			Intensity: supervise.Restarts(3), Window: time.Hour, Children: []supervise.Child{s.child("a"), s.child("b")},
		})
		s.told()
		for range 3 {
			s.act("b", boom)
			time.Sleep(long)
		}
		want(t, "three restarts", s.told(), "+b +b +b")
		s.act("b", boom)
		err := <-done
		breach, ok := errors.AsType[*supervise.BreachError](err)
		if !ok || breach.Child != "b" || breach.Class != supervise.ClassError || !errors.Is(err, errBoom) {
			t.Errorf("got %v, want a breach by b that wraps its error", err)
		}
		want(t, "the end", s.told(), "-a")
	})
}

func TestWindowSlides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		_, stop, _ := serve(t, supervise.Spec{
			Intensity: supervise.Restarts(1), Window: time.Minute, Children: []supervise.Child{s.child("a")},
		})
		for range 5 {
			s.act("a", boom)
			time.Sleep(time.Minute + time.Second)
		}
		want(t, "trace", s.told(), "+a +a +a +a +a +a")
		if err := stop(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestIntensityZeroEndsWithTheFirstFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		_, _, done := serve(t, supervise.Spec{Intensity: supervise.Restarts(0), Children: []supervise.Child{s.child("a")}})
		s.act("a", boom)
		if err := <-done; !errors.Is(err, errBoom) {
			t.Errorf("got %v, want a breach", err)
		}
	})
}

func TestEscalationIsOneFailureInTheParentAndTheChildServesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		inner, err := supervise.New(supervise.Spec{Name: "inner", Intensity: supervise.Restarts(2), Window: time.Hour, Children: []supervise.Child{s.child("a")}})
		if err != nil {
			t.Fatal(err)
		}
		outer, _, done := serve(t, supervise.Spec{
			Name: "outer", Intensity: supervise.Restarts(3), Window: time.Hour, Children: []supervise.Child{{Name: "inner", Service: inner}},
		})
		// (2+1) × (3+1) starts, as recorded from OTP.
		for range 11 {
			s.act("a", boom)
			time.Sleep(long)
		}
		if got := outer.Children()[0].Children; len(got) != 1 || got[0].Name != "a" {
			t.Errorf("got %+v, want the tree below", got)
		}
		s.act("a", boom)
		if err := <-done; !errors.Is(err, errBoom) {
			t.Errorf("got %v, want the innermost failure", err)
		}
		want(t, "starts", s.told(), strings.TrimSpace(strings.Repeat("+a ", 12)))
	})
}

func TestBackOffGrowsAndDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		_, stop, _ := serve(t, supervise.Spec{
			Intensity: supervise.Restarts(100), Children: []supervise.Child{s.child("a"), s.child("b")},
		})
		began := time.Now()
		for range 6 {
			s.act("a", boom)
			for s.told(); ; time.Sleep(10 * time.Millisecond) {
				if s.told() != "" {
					break
				}
			}
		}
		// 100 ms doubled five times, each at least half of it.
		if got := time.Since(began); got < 3*time.Second {
			t.Errorf("got six restarts in %s, want a back-off that grows", got)
		}
		s.act("a", boom) // its wait is over three seconds now
		s.act("b", boom)
		time.Sleep(200 * time.Millisecond)
		want(t, "b does not wait for a", s.told(), "+b")
		if err := stop(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestStuckChildIsReportedAndHindersNoStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		release := make(chan struct{})
		stuck := supervise.Child{Name: "stuck", Shutdown: 200 * time.Millisecond, Service: supervise.ServiceFunc(func(context.Context) error {
			<-release
			return nil
		})}
		sup, stop, _ := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a"), stuck}})
		began := time.Now()
		err := stop()
		if found, ok := errors.AsType[*supervise.StuckError](err); !ok || len(found.Children) != 1 {
			t.Errorf("got %v, want the stuck child named", err)
		}
		if got := time.Since(began); got != 200*time.Millisecond {
			t.Errorf("got a stop in %s, want 200ms", got)
		}
		if got := sup.Children()[1]; got.State != supervise.Stuck {
			t.Errorf("got %+v, want stuck", got)
		}
		want(t, "the others", s.told(), "+a -a")
		close(release)
	})
}

func TestTemporarySiblingIsStoppedWithTheGroupAndNotStartedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		temporary := s.child("t")
		temporary.Restart = supervise.Temporary
		_, stop, _ := serve(t, supervise.Spec{
			Strategy: supervise.OneForAll, Children: []supervise.Child{s.child("a"), temporary, s.child("c")},
		})
		s.told()
		s.act("a", boom)
		time.Sleep(long)
		told := s.told()
		want(t, "stopped", told[:5], "-c -t")
		want(t, "started", sorted(told[5:]), "+a +c")
		if err := stop(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}

func TestSupervisorServesAgainAndNeverTwiceAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		sup, stop, _ := serve(t, supervise.Spec{Children: []supervise.Child{s.child("a")}})
		if err := sup.Serve(t.Context()); !errors.Is(err, supervise.ErrServing) {
			t.Errorf("got %v, want ErrServing", err)
		}
		if err := stop(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sup.Serve(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v, want nil", err)
		}
		want(t, "trace", s.told(), "+a -a +a -a")
	})
}

func TestSpecIsRefusedWithAllItsProblems(t *testing.T) {
	t.Parallel()
	_, err := supervise.New(supervise.Spec{
		Strategy: 9, Intensity: supervise.Restarts(-1),
		Children: []supervise.Child{{Name: "a"}, {Name: "a", Shutdown: -1, Restart: 7}, {}},
	})
	if err == nil {
		t.Fatal("got nil, want an error")
	}
	for _, part := range []string{"name: found none", "strategy", "intensity", "name twice", "no service", "shutdown -1ns", "restart 7", "child 2: found no name"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to say %q", err, part)
		}
	}
}

func TestReadyOutsideASupervisorDoesNothing(t *testing.T) {
	t.Parallel()
	supervise.Ready(t.Context())
}
