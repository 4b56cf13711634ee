package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// pace is the time that some work took.
type pace struct {
	took, cpu time.Duration
}

// measure measures the time that do takes.
func measure(do func() error) (pace, error) {
	began, cpu := time.Now(), cpuTime()
	err := do()
	return pace{time.Since(began), cpuTime() - cpu}, err
}

func (p pace) plus(other pace) pace { return pace{p.took + other.took, p.cpu + other.cpu} }

// rate returns how many of n units were done per second.
func (p pace) rate(n int) float64 { return float64(n) / p.took.Seconds() }

// perThousand returns the CPU seconds per 1,000 units, for n in total.
func (p pace) perThousand(n int) float64 { return p.cpu.Seconds() / float64(max(1, n)) * 1000 }

// median returns the round with the median duration.
func median(rounds []pace) pace {
	slices.SortFunc(rounds, func(a, b pace) int { return cmp.Compare(a.took, b.took) })
	return rounds[len(rounds)/2]
}

// cpuTime returns the user and system time that this process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// repeat calls do for 0 to n-1 on several goroutines, until one call fails.
func repeat(ctx context.Context, n, goroutines int, do func(ctx context.Context, i int) error) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range goroutines {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := do(ctx, int(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// memory is this process's resident memory in bytes, zero on systems
// without /proc.
type memory struct {
	now, peak int64
}

// readMemory includes memory that the garbage collector has not freed yet.
func readMemory() memory {
	var m memory
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64) // zero for other lines
		switch name {
		case "VmRSS":
			m.now = kilobytes << 10
		case "VmHWM":
			m.peak = kilobytes << 10
		}
	}
	return m
}

// resetPeak resets the peak memory. Where the system has no such function, the
// peak includes everything before.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

func (m memory) report(monitors int) string {
	if m.now == 0 {
		return "unknown on this system"
	}
	const mega = 1 << 20
	return fmt.Sprintf("%d MB resident, %d bytes a monitor; %d MB at most, %d bytes a monitor",
		m.now/mega, m.now/int64(monitors), m.peak/mega, m.peak/int64(monitors))
}

// startProfile starts a CPU profile in a directory. stop ends it and adds a
// memory profile. Without a directory both do nothing.
func startProfile(dir string, monitors int) (stop func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	create := func(kind string) (*os.File, error) {
		return os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", kind, monitors))) //nolint:gosec // the user names the directory
	}
	if err = os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("start profile: %w", err)
	}
	cpu, err := create("cpu")
	if err == nil {
		err = pprof.StartCPUProfile(cpu)
	}
	if err != nil {
		return nil, fmt.Errorf("start profile: %w", err)
	}
	return func() error {
		pprof.StopCPUProfile()
		heap, err := create("heap")
		if err == nil {
			err = errors.Join(pprof.WriteHeapProfile(heap), heap.Close())
		}
		if err = errors.Join(err, cpu.Close()); err != nil {
			return fmt.Errorf("write profile: %w", err)
		}
		return nil
	}, nil
}

func processors() int { return runtime.GOMAXPROCS(0) }
