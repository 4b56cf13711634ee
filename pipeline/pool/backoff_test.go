package pool_test

import (
	"testing"
	"time"

	"vedette/pipeline/pool"
)

func TestMailBackoffGrowsFromSecondsToHalfHours(t *testing.T) {
	t.Parallel()
	curve := pool.MailBackoff()
	want := []time.Duration{
		5 * time.Second, 12500 * time.Millisecond, 31250 * time.Millisecond, 78125 * time.Millisecond,
		195312500 * time.Microsecond, 488281250 * time.Microsecond, 1220703125 * time.Microsecond, 30 * time.Minute, 30 * time.Minute,
	}
	for i, middle := range want {
		if got := curve.Wait(i+1, 0.5); got != middle {
			t.Errorf("attempt %d: got %s, want %s", i+1, got, middle)
		}
		if got := curve.Wait(i+1, 0); got < middle*79/100 || got > middle*81/100 {
			t.Errorf("attempt %d: got %s at the low end, want a fifth less than %s", i+1, got, middle)
		}
	}
}

func TestBackoffNeverGivesUpNorOverflows(t *testing.T) {
	t.Parallel()
	for _, attempt := range []int{50, 1000, 1 << 30} {
		if got := (pool.Backoff{}).Wait(attempt, 0.999); got <= 0 || got > 30*time.Minute {
			t.Errorf("attempt %d: got %s, want more than nothing and at most 30m", attempt, got)
		}
	}
}

func TestFullJitterReachesFromNothingToTheWhole(t *testing.T) {
	t.Parallel()
	curve := pool.Backoff{Initial: time.Second}
	if low, high := curve.Wait(1, 0), curve.Wait(1, 0.999); low != 0 || high < 900*time.Millisecond || high > time.Second {
		t.Errorf("got %s to %s, want 0s to 1s", low, high)
	}
}
