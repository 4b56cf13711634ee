package evaluate

import (
	"fmt"
	"sync"
	"sync/atomic"

	"vedette/pipeline/job"
)

// newerVersions are the monitors whose definition or state is from a newer version.
// This evaluator skips them, since it would write a state without the fields that
// it does not know; a newer evaluator handles them.
type newerVersions struct {
	count       atomic.Int64 // of both; almost always zero, which needs no lock
	mu          sync.RWMutex
	definitions map[string]struct{}
	states      map[string]struct{}
}

// set records whether a monitor is among the names.
func (n *newerVersions) set(names map[string]struct{}, name string, is bool) {
	if !is && n.count.Load() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if is {
		names[name] = struct{}{}
	} else {
		delete(names, name)
	}
	n.count.Store(int64(len(n.definitions) + len(n.states)))
}

// has reports whether a monitor's definition or state is from a newer version.
func (n *newerVersions) has(name string) bool {
	if n.count.Load() == 0 {
		return false
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, definition := n.definitions[name]
	_, state := n.states[name]
	return definition || state
}

// DefineNewer marks a definition as unreadable, since it is from a newer version,
// until [Evaluator.Define] or [Evaluator.Undefine].
func (e *Evaluator) DefineNewer(name string) { e.newer.set(e.newer.definitions, name, true) }

// ObserveNewer marks a state as unreadable, since it is from a newer version, until
// [Evaluator.Observe].
func (e *Evaluator) ObserveNewer(name string) { e.newer.set(e.newer.states, name, true) }

// Supports returns nil for a monitor that this evaluator can handle, and an error
// that wraps [job.ErrNewer] for one that needs a newer evaluator.
func (e *Evaluator) Supports(name string) error {
	if !e.newer.has(name) {
		return nil
	}
	return fmt.Errorf("evaluate %s: read its definition or state: %w", name, job.ErrNewer)
}
