package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report puts the figures into lines.
func (r *scaleRun) report() string {
	c, f := r.count, &r.figures
	path, loop := perThousand(f.cpu, f.arrived), perThousand(f.bare.cpu, f.bare.requests)
	return fmt.Sprintf(`%d monitors every %s, %d processors; targets in another process
stored                %s, %.0f a second
first check           %s after the start, each checked once after %s
checks                %.0f a second
slots done            %d of %d that were due, %.3f %%; %d twice, %d not up
slots missed          %s
%slate by               p50 %s, p99 %s, max %s
late by, p99          %s in the first quarter, %s in the last
slots off their grid  %d
cost of the path      %.3f CPU-seconds per 1,000 checks, targets not included
cost of the targets   %.3f CPU-seconds per 1,000 checks
cost of a bare loop   %.3f CPU-seconds per 1,000 requests, targets not included
ratio                 %.2f
memory                %s
`,
		r.n, r.interval, runtime.GOMAXPROCS(0),
		tenths(f.apply), float64(r.n)/f.apply.Seconds(),
		tenths(f.firstCheck), r.allOnce(),
		float64(f.arrived)/f.took.Seconds(),
		c.done, c.due(), 100*float64(c.done)/float64(c.due()), c.twice, c.down,
		r.misses(), r.parted(),
		tenths(c.late.quantile(0.5)), tenths(c.late.quantile(0.99)), tenths(c.late.max),
		tenths(c.quarters[0].quantile(0.99)), tenths(c.quarters[3].quantile(0.99)),
		c.offGrid, path, perThousand(f.targets, f.arrived), loop, path/loop, f.memory.report(r.n))
}

// tenths rounds for people: to a tenth of a second, or else to a millisecond.
func tenths(d time.Duration) time.Duration {
	if d >= 10*time.Second {
		return d.Round(time.Second / 10)
	}
	return d.Round(time.Millisecond)
}

func (r *scaleRun) allOnce() string {
	if r.figures.all == 0 {
		return "more than two intervals"
	}
	return tenths(r.figures.all).String()
}

// misses tells why slots were missed, and of how many nothing is known.
func (r *scaleRun) misses() string {
	var parts []string
	total := 0
	for reason, n := range r.count.missed {
		parts = append(parts, fmt.Sprintf("%d %s", n, reason))
		total += n
	}
	slices.Sort(parts)
	if open := r.count.open(); open > 0 {
		parts = append(parts, fmt.Sprintf("%d with neither a result nor a reason", open))
	}
	if len(parts) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d: %s", total, strings.Join(parts, ", "))
}

// memory is what this process has in memory, and has had at most, in bytes; zero
// where the system does not tell.
type memory struct {
	now, peak int64
}

// readMemory reads it as it stands, garbage included.
func readMemory() memory {
	var m memory
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
		switch {
		case err != nil:
		case fields[0] == "VmRSS:":
			m.now = kilobytes << 10
		case fields[0] == "VmHWM:":
			m.peak = kilobytes << 10
		}
	}
	return m
}

func (m memory) report(monitors int) string {
	if m.now == 0 {
		return "this system does not tell"
	}
	const mega = 1 << 20
	return fmt.Sprintf("%d MB resident, %d bytes a monitor; %d MB at most, %d bytes a monitor",
		m.now/mega, m.now/int64(monitors), m.peak/mega, m.peak/int64(monitors))
}

// startProfile profiles the processor until the function that it returns is
// called, which writes a profile of the memory too. Without a directory it does
// nothing.
func startProfile(dir string, monitors int) (stop func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make directory of profiles: %w", err)
	}
	file, err := os.Create(filepath.Join(dir, fmt.Sprintf("cpu-%d.pprof", monitors))) //nolint:gosec // the caller names the directory
	if err != nil {
		return nil, fmt.Errorf("write profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, fmt.Errorf("start profile: %w", err)
	}
	return func() error {
		pprof.StopCPUProfile()
		if err := file.Close(); err != nil {
			return fmt.Errorf("write profile: %w", err)
		}
		return writeHeap(filepath.Join(dir, fmt.Sprintf("heap-%d.pprof", monitors)))
	}, nil
}

func writeHeap(path string) error {
	file, err := os.Create(path) //nolint:gosec // the caller names the directory
	if err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	defer file.Close() //nolint:errcheck // an error shows in the profile's absence
	if err := pprof.WriteHeapProfile(file); err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	return nil
}
