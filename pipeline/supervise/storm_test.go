package supervise_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/supervise"
)

// storm is a supervisor whose children fail in every way and at any time, under
// concurrent commands.
type storm struct {
	mu      sync.Mutex
	random  *rand.Rand
	began   time.Time
	running map[string]int // by name
	started int
	ended   int
	twice   []string
}

func (s *storm) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

func (s *storm) count(name string, by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[name] += by
	if by > 0 {
		s.started++
	} else {
		s.ended++
	}
	if s.running[name] > 1 {
		s.twice = append(s.twice, name)
	}
}

func (s *storm) child(name string) supervise.Child {
	return supervise.Child{
		Name: name, Restart: supervise.Restart(s.roll(2)), Shutdown: time.Second, StartTimeout: 500 * time.Millisecond,
		Service: supervise.ServiceFunc(func(ctx context.Context) error {
			s.count(name, 1)
			defer s.count(name, -1)
			if time.Since(s.began) > 10*time.Second { // until then, all starts succeed
				s.sleep(ctx, 800) // sometimes longer than the start timeout
			}
			supervise.Ready(ctx)
			s.sleep(ctx, 5000)
			if s.roll(10) == 0 {
				time.Sleep(time.Duration(s.roll(3000)) * time.Millisecond) // sometimes longer than the shutdown time
			}
			switch s.roll(5) {
			case 0:
				panic("storm")
			case 1:
				runtime.Goexit()
			case 2:
				return nil
			}
			return errBoom
		}),
	}
}

func (s *storm) sleep(ctx context.Context, most int) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(s.roll(most)) * time.Millisecond):
	}
}

func (s *storm) command(sup *supervise.Supervisor) {
	name := strconv.Itoa(s.roll(8))
	switch s.roll(8) {
	case 0:
		_ = sup.Add(s.child(name)) // refusals are expected
	case 1:
		_ = sup.Remove(name)
	case 2:
		_ = sup.StopChild(name)
	case 3:
		_ = sup.Disable(name)
	case 4:
		_ = sup.Enable(name)
	case 5:
		sup.Children()
	default:
		_ = sup.Restart(name)
	}
}

func TestStormLosesNoExitAndOverlapsNoIncarnations(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { runStorm(t, seed) })
		})
	}
}

func runStorm(t *testing.T, seed uint64) {
	t.Helper()
	s := &storm{random: rand.New(rand.NewPCG(seed, 2)), began: time.Now(), running: map[string]int{}}
	spec := supervise.Spec{
		Strategy: supervise.Strategy(seed % 4), OnBreach: supervise.OnBreach(seed / 4 % 3), ParkFor: 3 * time.Second,
		Intensity: supervise.Restarts(10), Window: 30 * time.Second,
	}
	if spec.Strategy != supervise.Dynamic {
		for i := range 4 {
			spec.Children = append(spec.Children, s.child(strconv.Itoa(i)))
		}
	}
	inner := spec
	inner.Name = "inner"
	sup, err := supervise.New(inner)
	if err != nil {
		t.Fatal(err)
	}
	outer := serve(t, supervise.Spec{OnBreach: supervise.BreachPark, ParkFor: time.Second, Children: []supervise.Child{{Name: "inner", Service: sup, Restart: supervise.Permanent}}})
	for range 4 {
		go func() {
			for range 200 {
				time.Sleep(time.Duration(s.roll(500)) * time.Millisecond)
				s.command(sup)
			}
		}()
	}
	time.Sleep(2 * time.Minute)
	outer.cancel()
	<-outer.done
	time.Sleep(10 * time.Second) // all stuck children have returned
	synctest.Wait()
	if len(s.twice) > 0 {
		t.Errorf("got overlapping incarnations: %v", s.twice)
	}
	if s.started != s.ended || s.started < 20 {
		t.Errorf("got %d incarnations started and %d ended, want equal numbers above 20", s.started, s.ended)
	}
	for _, c := range sup.Children() {
		switch c.State {
		case supervise.Idle, supervise.Disabled, supervise.Stuck:
		default:
			t.Errorf("got %+v after the end, want idle", c)
		}
	}
}
