package check_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

func guard(t *testing.T, targets ...string) *check.ReferenceGuard {
	t.Helper()
	checker, err := check.New(check.Config{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := check.NewReferenceGuard(checker, targets)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// closed returns an address without a listener.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestFailureIsUnknownIfNoReferenceTargetIsReachable(t *testing.T) {
	t.Parallel()
	down := job.Spec{TCP: &job.TCP{Address: closed(t)}}
	got := guard(t, "tcp://"+closed(t), "tcp://"+closed(t)).Check(t.Context(), down)
	if got.Health != job.Unknown || !got.SelfCheckFailed || got.Class != job.ClassInternal || !strings.Contains(got.Cause, "no reference target is reachable") {
		t.Errorf("got %+v, want unknown, due to the worker", got)
	}
	if got := guard(t).Check(t.Context(), down); got.Health != job.Down || got.SelfCheckFailed {
		t.Errorf("got %+v without reference targets, want down", got)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	one := guard(t, "tcp://"+closed(t), "tcp://"+l.Addr().String())
	if got := one.Check(t.Context(), down); got.Health != job.Down || got.Class != job.ClassConnect {
		t.Errorf("got %+v with a reachable reference target, want down", got)
	}
	if got := one.Check(t.Context(), job.Spec{TCP: &job.TCP{Address: l.Addr().String()}}); got.Health != job.Up {
		t.Errorf("got %+v, want up", got)
	}
}

func TestSimultaneousFailuresShareOneSelfCheck(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	checker, err := check.New(check.Config{Probes: map[string]check.Probe{
		job.KindTCP: func(context.Context, job.Spec) (job.ProbeResult, check.Facts) {
			return job.ProbeResult{Health: job.Down, Class: job.ClassConnect, Cause: "connect refused"}, nil
		},
		job.KindHTTP: func(context.Context, job.Spec) (job.ProbeResult, check.Facts) {
			asked.Add(1)
			return job.ProbeResult{Health: job.Down, Class: job.ClassTimeout, Cause: "silent"}, nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	g, err := check.NewReferenceGuard(checker, []string{"https://reference.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var group sync.WaitGroup
	for range 1000 {
		group.Go(func() {
			if got := g.Check(t.Context(), job.Spec{TCP: &job.TCP{Address: "a:1"}}); !got.SelfCheckFailed {
				t.Errorf("got %+v, want a failed self-check", got)
			}
		})
	}
	group.Wait()
	if n, most := asked.Load(), 2+int64(time.Since(began)/time.Second); n > most {
		t.Errorf("got %d checks of the reference target, want at most %d", n, most)
	}
}

func TestInvalidReferenceTargetIsRejected(t *testing.T) {
	t.Parallel()
	checker, err := check.New(check.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check.NewReferenceGuard(checker, []string{"http://"}); err == nil {
		t.Error("got no error, want one with the target")
	}
}
