package mail

import (
	"errors"
	"io"
	"testing"
	"time"
)

func TestBreakerOpenTimeGrowsToLimit(t *testing.T) {
	t.Parallel()
	cases := []struct {
		class    Class
		err      error // nil stands for 421
		failures int
		want     time.Duration
	}{
		{ClassRelay, nil, 1, time.Second},
		{ClassRelay, nil, 2, 2 * time.Second},
		{ClassRelay, nil, 5, 16 * time.Second},
		{ClassRelay, nil, 6, 30 * time.Second},
		{ClassRelay, nil, 1000, 30 * time.Second},
		{ClassConfig, ErrNoAuth, 1, time.Minute},
		{ClassConfig, ErrNoAuth, 3, 4 * time.Minute},
		{ClassConfig, ErrNoAuth, 4, 5 * time.Minute},
		{ClassConfig, errors.New("certificate expired"), 1, time.Second},
		{ClassConfig, errors.New("certificate expired"), 6, 10 * time.Second},
		{ClassRelay, io.EOF, 1, time.Second},
		{ClassRelay, io.EOF, 6, 10 * time.Second},
	}
	for _, c := range cases {
		v := Verdict{Class: c.class, Stage: StageConnect, Err: c.err}
		if c.err == nil {
			v.Reply = Reply{Code: 421}
		}
		if got := openTime(v, c.failures); got != c.want {
			t.Errorf("%s after %d: got %s, want %s", c.class, c.failures, got, c.want)
		}
	}
}

func TestBreakerOpenTimeHasJitter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for chance, want := range map[float64]time.Duration{0: time.Second, 0.5: 1125 * time.Millisecond, 1: 1250 * time.Millisecond} {
		r := breaker{random: func() float64 { return chance }}
		if wait, _ := r.failure(now, now, Verdict{Class: ClassRelay}); wait != want {
			t.Errorf("chance %.1f: got an open time of %s, want %s", chance, wait, want)
		}
	}
	waits := map[time.Duration]bool{}
	for range 20 {
		var r breaker
		wait, _ := r.failure(now, now, Verdict{Class: ClassConfig, Err: ErrNoAuth})
		if wait < time.Minute || wait > 75*time.Second {
			t.Errorf("got an open time of %s, want a minute and at most a quarter more", wait)
		}
		waits[wait] = true
	}
	if len(waits) < 2 {
		t.Errorf("got %v for 20 processes, want different ones", waits)
	}
}

func TestHalfOpenBreakerAllowsOneTrial(t *testing.T) {
	t.Parallel()
	r := breaker{random: func() float64 { return 0 }}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	away := Verdict{Class: ClassRelay, Stage: StageConnect, Reply: Reply{Code: 421, Text: "full"}}
	admitted := func(s float64, want bool) {
		t.Helper()
		if wait, _ := r.allow(at(s)); (wait == 0) != want {
			t.Errorf("at %.1f s: got a wait of %s, want admitted %t", s, wait, want)
		}
	}
	admitted(0, true) // three at once
	admitted(0, true)
	admitted(0, true)
	for i := range 3 {
		if wait, first := r.failure(at(0), at(0.1), away); first != (i == 0) || wait != time.Second {
			t.Errorf("failure %d: got %s, first %t, want the three counted as one failure, open for 1 s", i, wait, first)
		}
	}
	admitted(1, false)
	admitted(1.1, true) // tries
	admitted(1.2, false)
	r.cancel()
	admitted(1.3, true) // tries in its place
	r.failure(at(1.3), at(1.4), away)
	admitted(3.3, false)
	admitted(3.4, true)
	r.success()
	admitted(3.5, true)
	admitted(3.5, true)
}
