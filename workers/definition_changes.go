package workers

import (
	"context"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/topology"
)

// definitionChanges are the definitions that changed and were not looked at yet.
// Each process looks at them, so that a process that dies leaves nothing undone;
// what another process has done already costs a few reads.
type definitionChanges struct {
	mu       sync.Mutex
	monitors map[string]struct{}
	all      bool // recipients, settings, or too many monitors
}

const (
	// changesPause is how long after a change it is looked at: an apply writes
	// recipients before the monitors that refer to them.
	changesPause = time.Second
	// maxChanges is how many monitors are looked at one by one. After more
	// changes, one pass looks at all open incidents.
	maxChanges = 1000
)

func (c *definitionChanges) addAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = true
}

func (c *definitionChanges) add(monitor string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.monitors == nil {
		c.monitors = map[string]struct{}{}
	}
	if len(c.monitors) >= maxChanges {
		c.all = true
		return
	}
	c.monitors[monitor] = struct{}{}
}

// take returns the changes, and forgets them.
func (c *definitionChanges) take() (monitors map[string]struct{}, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	monitors, all = c.monitors, c.all
	c.monitors, c.all = nil, false
	return monitors, all
}

// setMonitor takes a change of a monitor's definition.
func (n *notifyJobs) setMonitor(e pipeline.Entry) {
	if name, ok := topology.CutMonitorKey(e.Key); ok {
		n.changes.add(name)
	}
}

// followChanges has the changes looked at until ctx ends.
func (n *notifyJobs) followChanges(ctx context.Context) {
	ticker := time.NewTicker(changesPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if n.newer.empty() {
				n.lookAtChanges(ctx)
			}
		}
	}
}

// lookAtChanges looks at the changes. What fails is left to a pass over everything,
// which is tried until it is scheduled.
func (n *notifyJobs) lookAtChanges(ctx context.Context) {
	monitors, all := n.changes.take()
	for name := range monitors {
		if all {
			break
		}
		if err := n.notifier.ReconcileMonitor(ctx, name); err != nil {
			n.log.WarnContext(ctx, "notifications about a changed monitor were not compared; all are compared soon", "monitor", name, "error", err)
			all = true
		}
	}
	if !all {
		return
	}
	if err := n.notifier.ReconcileIn(ctx, 0); err != nil {
		n.log.WarnContext(ctx, "comparison of notifications was not scheduled; retrying", "error", err)
		n.changes.addAll()
	}
}

// observe passes a log that was written to the index.
func (n *notifyJobs) observe(ctx context.Context, e pipeline.Entry) {
	if err := n.notifier.Index().Observe(notifyEntry(e)); err != nil {
		n.log.ErrorContext(ctx, "stored notification log cannot be read", "key", e.Key, "error", err)
	}
}
