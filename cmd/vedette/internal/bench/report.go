package bench

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// report puts the figures into lines.
func (o benchOptions) report(t tally, b bare) string {
	expected := float64(o.monitors) * t.length.Seconds() / o.interval.Seconds()
	slices.Sort(t.late)
	path, loop := perThousand(t.cpu, t.results), perThousand(b.cpu, b.requests)
	return fmt.Sprintf(`%d monitors every %s, %d processors
each checked once    %6.1f s after the start
results              %6d in %.1f s, %.0f a minute, %.1f %% of what is due; %d missed
late by              p50 %s, p99 %s, max %s
cost of the path     %6.3f CPU-seconds per 1,000 checks, targets included
cost of a bare loop  %6.3f CPU-seconds per 1,000 requests, targets included
ratio                %6.2f
`,
		o.monitors, o.interval, runtime.GOMAXPROCS(0), t.firstAll.Seconds(),
		t.results, t.length.Seconds(), 60*float64(t.results)/t.length.Seconds(), 100*float64(t.results)/expected, t.missed,
		quantile(t.late, 0.5), quantile(t.late, 0.99), quantile(t.late, 1), path, loop, path/loop)
}

func perThousand(cpu time.Duration, n int) float64 {
	if n == 0 {
		return 0
	}
	return cpu.Seconds() / float64(n) * 1000
}

// quantile is of sorted durations; zero of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))].Round(time.Millisecond)
}
