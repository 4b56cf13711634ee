package check

import (
	"sync"
	"time"

	"vedette/pipeline/job"
)

// timing measures the phases of a check. Repeated phases, through redirects or
// several addresses, are summed. The transport's goroutines may call its
// methods, also after the check has ended.
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
	noPhase phase = iota
	inDNS
	inConnect
	inTLS
	inProcessing
	inTransfer
)

// enter ends the current phase and begins another.
func (t *timing) enter(p phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addCurrent()
	t.current, t.since = p, time.Now()
}

// done ends the current phase.
func (t *timing) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addCurrent()
	t.current = noPhase
}

// addCurrent adds the current phase. The caller holds the lock.
func (t *timing) addCurrent() {
	took := job.Duration(time.Since(t.since))
	switch t.current {
	case noPhase:
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

// addTo adds the measured phases to a result, without the current one.
func (t *timing) addTo(result *job.ProbeResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	result.Phases, result.Address = t.phases, t.address
}

func (t *timing) inHandshake() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current == inTLS
}

// currentActivity describes the current phase.
func (t *timing) currentActivity() string {
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
	case noPhase:
		return "waiting"
	default:
		return "waiting"
	}
}
