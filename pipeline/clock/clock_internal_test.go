package clock

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ wall, awake, total, step, pause time.Duration }{
		"a second":                     {wall: time.Second, awake: time.Second, total: time.Second},
		"a busy machine":               {wall: 4 * time.Second, awake: 4 * time.Second, total: 4 * time.Second},
		"a corrected clock":            {wall: 1500 * time.Millisecond, awake: time.Second, total: time.Second},
		"set forward":                  {wall: time.Hour + time.Second, awake: time.Second, total: time.Second, step: time.Hour},
		"set back":                     {wall: time.Second - time.Hour, awake: time.Second, total: time.Second, step: -time.Hour},
		"a stopped process":            {wall: 21 * time.Second, awake: 21 * time.Second, total: 21 * time.Second, pause: 20 * time.Second},
		"a machine that slept":         {wall: time.Hour + time.Second, awake: time.Second, total: time.Hour + time.Second, pause: time.Hour},
		"set back while it slept":      {wall: time.Second, awake: time.Second, total: time.Hour + time.Second, step: -time.Hour, pause: time.Hour},
		"set forward while it stopped": {wall: time.Hour + 21*time.Second, awake: 21 * time.Second, total: 21 * time.Second, step: time.Hour, pause: 20 * time.Second},
	} {
		before := Reading{Wall: noon, Awake: time.Minute, Total: time.Hour}
		after := Reading{Wall: noon.Add(c.wall), Awake: before.Awake + c.awake, Total: before.Total + c.total}
		if got, want := compare(before, after, time.Second), (Change{At: after.Wall, Step: c.step, Pause: c.pause}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestElapsed(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := noon.Add
	forward := Change{At: at(time.Hour), Step: time.Hour}      // at noon
	back := Change{At: at(-time.Hour), Step: -time.Hour}       // at noon
	stopped := Change{At: at(time.Minute), Pause: time.Minute} // from noon on
	for name, c := range map[string]struct {
		changes []Change
		t, now  time.Time
		want    time.Duration
	}{
		"no change":                      {nil, at(0), at(time.Minute), time.Minute},
		"in the future":                  {nil, at(time.Hour), at(0), 0},
		"before a step forward":          {[]Change{forward}, at(-20 * time.Second), at(time.Hour + time.Second), 21 * time.Second},
		"after a step forward":           {[]Change{forward}, at(time.Hour + time.Second), at(time.Hour + 3*time.Second), 2 * time.Second},
		"by a clock that is right":       {[]Change{forward}, at(5 * time.Second), at(time.Hour + 8*time.Second), 3 * time.Second},
		"just before a step back":        {[]Change{back}, at(-20 * time.Second), at(-time.Hour + time.Second), 21 * time.Second},
		"long before a step back":        {[]Change{back}, at(-2 * time.Hour), at(-time.Hour + time.Second), 2*time.Hour + time.Second},
		"after a step back":              {[]Change{back}, at(-time.Hour + time.Second), at(-time.Hour + 3*time.Second), 2 * time.Second},
		"before both":                    {[]Change{forward, {At: at(time.Second), Step: -time.Hour}}, at(-20 * time.Second), at(3 * time.Second), 23 * time.Second},
		"between both":                   {[]Change{forward, {At: at(10 * time.Second), Step: -time.Hour}}, at(time.Hour + 4*time.Second), at(12 * time.Second), 8 * time.Second},
		"after both":                     {[]Change{forward, {At: at(10 * time.Second), Step: -time.Hour}}, at(11 * time.Second), at(12 * time.Second), time.Second},
		"before the process stood still": {[]Change{stopped}, at(-20 * time.Second), at(time.Minute + time.Second), 21 * time.Second},
	} {
		if got := elapsed(c.changes, c.t, c.now); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestAWatchPassesEachChangeOnOnce(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := Reading{Wall: noon}
	w := newWatch(slog.New(slog.DiscardHandler), func() Reading { return now })
	changes, stop := w.Listen()
	now = Reading{Wall: noon.Add(time.Hour), Awake: time.Second, Total: time.Second}
	if got := w.Since(noon); got != time.Second {
		t.Errorf("got %s, want a second, also before Serve has looked", got)
	}
	w.look()
	w.Found(time.Hour) // another change: this one went forward
	w.Found(time.Hour)
	stop()
	now.Wall = now.Wall.Add(time.Hour)
	w.look()
	var got []time.Duration
	for len(changes) > 0 {
		got = append(got, (<-changes).Step)
	}
	if len(got) != 2 || got[0] != time.Hour-time.Second || got[1] != -time.Hour {
		t.Errorf("got %v, want one step forward and one back", got)
	}
	if forward, paused := w.Between(noon.Add(time.Minute), now.Wall, time.Second); forward != 2*time.Hour-time.Second || paused != 0 {
		t.Errorf("got %s forward and %s of pause, want both steps forward", forward, paused)
	}
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewWatch(slog.New(slog.DiscardHandler)).Serve(ctx); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}
