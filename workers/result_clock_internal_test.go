package workers

import (
	"testing"
	"time"

	"vedette/pipeline"
)

func TestHorizonIsTheServersClockAndOurs(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const slack = horizonSlack
	type result struct {
		sequence uint64
		stored   time.Duration // after noon
	}
	for name, c := range map[string]struct {
		results []result
		own     time.Duration // this process's clock, after noon
		want    time.Duration
	}{
		"the same clock":                         {[]result{{1, 0}}, 0, slack},
		"our clock is behind":                    {[]result{{1, 0}}, -time.Minute, slack},
		"our clock is ahead":                     {[]result{{1, 0}}, time.Minute, time.Minute + slack},
		"our clock is far ahead":                 {[]result{{1, 0}}, 2 * time.Hour, horizonDoubt},
		"set back":                               {[]result{{1, time.Hour}, {2, 0}}, 0, slack},
		"an old result is delivered again":       {[]result{{9, 0}, {1, -time.Hour}}, -time.Hour, slack},
		"an old result from before the step":     {[]result{{9, 0}, {1, time.Hour}}, 0, slack},
		"results waited, and we are behind them": {[]result{{1, -10 * time.Minute}}, 0, slack},
	} {
		clock := &resultClock{}
		now := noon.Add(c.own)
		if got := clock.horizon(now); !got.IsZero() {
			t.Errorf("%s: got %s, want none before the first result", name, got)
		}
		for _, r := range c.results {
			clock.observe(&pipeline.Delivery{Sequence: r.sequence, Stored: noon.Add(r.stored)}, now)
		}
		if got := clock.horizon(now).Sub(noon); got != c.want {
			t.Errorf("%s: got %s after noon, want %s", name, got, c.want)
		}
	}
}
