package supervise_test

import (
	"context"
	"runtime"
	"strconv"
	"testing"

	"vedette/pipeline/supervise"
)

// waits does nothing until its context ends.
func waits(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// crowd adds n children to a supervisor.
func crowd(b *testing.B, sup *supervise.Supervisor, n int) {
	b.Helper()
	for i := range n {
		if err := sup.Add(supervise.Child{Name: strconv.Itoa(i), Service: supervise.ServiceFunc(waits)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHundredThousandChildren starts and stops a hundred thousand
// children, in comparison with bare goroutines that have a context each.
// B/child is the memory per running child, including its goroutine's stack.
func BenchmarkHundredThousandChildren(b *testing.B) {
	const n = 100_000
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			before := inUse()
			done := make(chan struct{}, n)
			cancels := make([]context.CancelFunc, n)
			for i := range n {
				ctx, cancel := context.WithCancel(b.Context())
				cancels[i] = cancel
				go func() { _ = waits(ctx); done <- struct{}{} }()
			}
			b.ReportMetric(float64(inUse()-before)/n, "B/child")
			for i := range n {
				cancels[i]()
				<-done
			}
		}
	})
	for _, strategy := range []supervise.Strategy{supervise.OneForOne, supervise.RestForOne, supervise.OneForAll, supervise.Dynamic} {
		b.Run(strategy.String(), func(b *testing.B) {
			for b.Loop() {
				before := inUse()
				sup, err := supervise.New(supervise.Spec{Name: "crowd", Strategy: strategy})
				if err != nil {
					b.Fatal(err)
				}
				if err := sup.Start(b.Context()); err != nil {
					b.Fatal(err)
				}
				crowd(b, sup, n)
				b.ReportMetric(float64(inUse()-before)/n, "B/child")
				if err := sup.Stop(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// inUse returns the memory in use by the heap and the stacks.
func inUse() uint64 {
	runtime.GC()
	runtime.GC() // the first may leave recently freed stacks
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// BenchmarkRestart is a restart by command, without back-off.
func BenchmarkRestart(b *testing.B) {
	started := make(chan struct{})
	sup, err := supervise.New(supervise.Spec{Name: "restart", Children: []supervise.Child{{
		Name: "a", Service: supervise.ServiceFunc(func(ctx context.Context) error {
			started <- struct{}{}
			return waits(ctx)
		}),
	}}})
	if err != nil {
		b.Fatal(err)
	}
	if err := sup.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	<-started
	for b.Loop() {
		if err := sup.Restart("a"); err != nil {
			b.Fatal(err)
		}
		<-started
	}
	if err := sup.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}
