package check

import (
	"sync"
	"time"

	"vedette/pipeline/job"
)

// timing measures the phases of a check. Phases that come several times, over
// redirects or addresses, add up. Its methods may be called from the
// transport's goroutines, and after the check gave up.
type timing struct {
	mu      sync.Mutex
	phases  job.Phases
	current phase
	since   time.Time
	address string
}

// phase is a part of a check.
type phase int

const (
	none phase = iota
	inDNS
	inConnect
	inTLS
	inProcessing
	inTransfer
)

// enter ends the present phase and begins another.
func (t *timing) enter(p phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave()
	t.current, t.since = p, time.Now()
}

// done ends the present phase.
func (t *timing) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave()
	t.current = none
}

// leave adds up the present phase; the lock is held.
func (t *timing) leave() {
	took := job.Duration(time.Since(t.since))
	switch t.current {
	case none:
	case inDNS:
		t.phases.DNS += took
	case inConnect:
		t.phases.Connect += took
	case inTLS:
		t.phases.TLS += took
	case inProcessing:
		t.phases.Processing += took
	case inTransfer:
		t.phases.Transfer += took
	}
}

func (t *timing) dialled(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.address = address
}

// write puts what was measured into an outcome; a phase that did not end is
// not part of it.
func (t *timing) write(outcome *job.ProbeResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	outcome.Phases, outcome.Address = t.phases, t.address
}

func (t *timing) inHandshake() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current == inTLS
}

// waitingFor tells people what the check was waiting for.
func (t *timing) waitingFor() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.current {
	case inDNS:
		return "looking up the name"
	case inConnect:
		return "connecting"
	case inTLS:
		return "in the TLS handshake"
	case inProcessing:
		return "waiting for the first byte of the answer"
	case inTransfer:
		return "reading the answer"
	case none:
		return "waiting"
	default:
		return "waiting"
	}
}
