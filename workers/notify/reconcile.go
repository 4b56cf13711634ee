package notify

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline/job"
)

// Reconcile brings all logs to what holds now, after recipients, settings or
// monitors changed, and has each group with open incidents decide again, since its
// intervals may have changed. It reads the open states once, and keeps only the
// names of their monitors in memory.
func (n *Notifier) Reconcile(ctx context.Context) error {
	r := reconciler{notifier: n, seen: map[string]struct{}{}, groups: map[string]*party{}}
	if err := r.lookAtOpen(ctx); err != nil {
		return err
	}
	if err := r.lookAtOthers(ctx); err != nil {
		return err
	}
	for key := range n.logs.index.allGroups() {
		if _, waiting := r.groups[key]; !waiting {
			r.groups[key] = nil
		}
	}
	for key, who := range r.groups {
		if err := n.decideAgain(ctx, key, who); err != nil {
			return err
		}
	}
	return nil
}

// reconciler is one pass.
type reconciler struct {
	notifier *Notifier
	seen     map[string]struct{}

	mu     sync.Mutex
	groups map[string]*party
}

// lookAtOpen looks at the monitors with an open incident.
func (r *reconciler) lookAtOpen(ctx context.Context) error {
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(parallelWrites)
	err := r.notifier.config.Lookup.OpenStates(ctx, func(state *job.State) error {
		r.seen[state.Monitor] = struct{}{}
		workers.Go(func() error { return r.notifier.look(ctx, state, false, r.wake) })
		return ctx.Err()
	})
	if failed := workers.Wait(); failed != nil {
		return failed
	}
	return err
}

// lookAtOthers looks at the other monitors about which there are logs.
func (r *reconciler) lookAtOthers(ctx context.Context) error {
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(parallelWrites)
	for _, name := range r.notifier.logs.index.allMonitors(false) {
		if _, done := r.seen[name]; !done {
			workers.Go(func() error { return r.notifier.lookAgain(ctx, name, r.wake) })
		}
	}
	return workers.Wait()
}

func (r *reconciler) wake(_ context.Context, log *storedLog, who *party) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key := log.groupKey(); r.groups[key] == nil {
		r.groups[key] = who
	}
	return nil
}

// ReconcileMonitor brings the logs about one monitor to what holds now, after its
// definition changed.
func (n *Notifier) ReconcileMonitor(ctx context.Context, name string) error {
	return n.lookAgain(ctx, name, n.scheduleLog)
}

func (n *Notifier) lookAgain(ctx context.Context, name string, wake func(context.Context, *storedLog, *party) error) error {
	state, err := n.config.Lookup.State(ctx, name)
	if err != nil {
		return err
	}
	state.Monitor = name // it may have no state
	return n.look(ctx, &state, false, wake)
}

// decideAgain has a group decide soon: at once, unless a notification waits.
func (n *Notifier) decideAgain(ctx context.Context, key string, who *party) error {
	if who != nil {
		if err := n.schedule(ctx, key, who); err != nil {
			return err
		}
	}
	return n.config.Timers.SetTimer(ctx, TimerFlush, timerID(key), n.config.Now())
}

// ReconcileIn sets the timer for a reconciliation.
func (n *Notifier) ReconcileIn(ctx context.Context, d time.Duration) error {
	return n.config.Timers.SetTimer(ctx, TimerSweep, reconcileID, n.config.Now().Add(d))
}
