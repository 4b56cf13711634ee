package workers

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
)

// processWatch detects processes that have fallen silent: killed, hung, or cut
// off. The first process to detect one notifies the operators and removes its
// lease.
//
// It measures the time since it saw a lease renewed, and ignores the times in
// leases: the clocks of machines differ, and without the server no lease can be
// renewed. While no lease at all is renewed, which includes that of this process,
// no process counts as silent, since the leases cannot be stored.
type processWatch struct {
	*shared

	mu      sync.Mutex
	leases  map[string]lease
	renewed time.Time // when any lease was last seen renewed
}

// lease is a process's lease, and when its last renewal was seen.
type lease struct {
	entry pipeline.Entry
	at    time.Time
}

// leasePeriod is how often leases are checked.
const leasePeriod = 2 * time.Second

func (s *maintainStage) watchProcesses(ctx context.Context) error {
	bucket, err := s.p.Bucket(ctx, topology.Processes)
	if err != nil {
		return err
	}
	w := &processWatch{shared: s.shared, leases: map[string]lease{}}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return bucket.Watch(ctx, func(e pipeline.Entry) { w.observe(e, time.Now()) }, func() {}) })
	group.Go(func() error {
		return w.poll(ctx, leasePeriod, process.LeaseTime, "silent processes", func(ctx context.Context, now time.Time) error {
			return w.report(ctx, w.overdue(now))
		})
	})
	return group.Wait()
}

// observe takes a renewed or removed lease.
func (w *processWatch) observe(e pipeline.Entry, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Deleted {
		delete(w.leases, e.Key)
		return
	}
	if now.Sub(w.renewed) > process.LeaseTime/2 {
		for key, known := range w.leases { // its time begins again
			w.leases[key] = lease{entry: known.entry, at: now}
		}
	}
	w.leases[e.Key], w.renewed = lease{entry: e, at: now}, now
}

// overdue returns the leases that were not renewed in time.
func (w *processWatch) overdue(now time.Time) []pipeline.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.renewed) > process.LeaseTime/2 {
		return nil
	}
	var silent []pipeline.Entry
	for _, l := range w.leases {
		if now.Sub(l.at) > process.LeaseTime {
			silent = append(silent, l.entry)
		}
	}
	return silent
}

// report notifies the operators of silent processes, and removes their leases.
func (w *processWatch) report(ctx context.Context, silent []pipeline.Entry) error {
	for _, lease := range silent {
		if err := process.Remove(ctx, w.p, lease); err != nil {
			return err
		}
	}
	return nil
}
