package evaluate

import (
	"fmt"
	"sync"
	"sync/atomic"

	"vedette/pipeline/job"
)

// newer are the monitors of which the definition or the state is of a newer
// version. This evaluator judges nothing of them, since it would write a state
// without what it does not know; a newer one does.
type newer struct {
	count       atomic.Int64 // of both; almost always zero, which costs no lock
	mu          sync.RWMutex
	definitions map[string]struct{}
	states      map[string]struct{}
}

// set notes, of the definition or the state of a monitor, whether it is of a
// newer version.
func (n *newer) set(of map[string]struct{}, name string, is bool) {
	if !is && n.count.Load() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if is {
		of[name] = struct{}{}
	} else {
		delete(of, name)
	}
	n.count.Store(int64(len(n.definitions) + len(n.states)))
}

// has tells whether anything of a monitor is of a newer version.
func (n *newer) has(name string) bool {
	if n.count.Load() == 0 {
		return false
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, definition := n.definitions[name]
	_, state := n.states[name]
	return definition || state
}

// DefineNewer takes in a definition that cannot be read, since it is of a newer
// version. It is over with [Evaluator.Define] or [Evaluator.Undefine].
func (e *Evaluator) DefineNewer(name string) { e.newer.set(e.newer.definitions, name, true) }

// ObserveNewer takes in a state that cannot be read, since it is of a newer
// version. It is over with [Evaluator.Observe].
func (e *Evaluator) ObserveNewer(name string) { e.newer.set(e.newer.states, name, true) }

// Knows returns nil for a monitor that this evaluator may judge, and
// [job.ErrNewer] for one that it must leave to a newer one.
func (e *Evaluator) Knows(name string) error {
	if !e.newer.has(name) {
		return nil
	}
	return fmt.Errorf("judge %s: its definition or state: %w", name, job.ErrNewer)
}
