package workers

import (
	"log/slog"
	"testing"
	"time"

	"vedette/pipeline/clock"
)

// A ping from before the clock was set back seems to be in the future, and a job that
// is silent since then would be down only when that time has come again.
func TestPingsFromBeforeTheClockWasSetBackHaveTheirAge(t *testing.T) {
	t.Parallel()
	watch := clock.NewWatch(slog.New(slog.DiscardHandler))
	now := time.Now()
	age := func(at time.Time) time.Duration { return now.Sub(onClock(watch, at, now)).Round(time.Second) }
	if got := age(now.Add(time.Hour)); got != 0 {
		t.Errorf("got an age of %s, want none without a known step", got)
	}
	watch.Found(time.Hour)
	for name, c := range map[string]struct{ at, want time.Duration }{
		"just before the step":       {time.Hour - 20*time.Second, 20 * time.Second},
		"after it":                   {-3 * time.Second, 3 * time.Second},
		"by a server that is faster": {2 * time.Second, -2 * time.Second},
	} {
		if got := age(now.Add(c.at)); got != c.want {
			t.Errorf("%s: got an age of %s, want %s", name, got, c.want)
		}
	}
}
