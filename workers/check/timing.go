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
	spent   [inTransfer + 1]time.Duration
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

// String describes the activity in a phase.
func (p phase) String() string {
	return [...]string{
		noPhase: "waiting", inDNS: "looking up the name", inConnect: "connecting", inTLS: "in the TLS handshake",
		inProcessing: "waiting for the first byte of the answer", inTransfer: "reading the answer",
	}[p]
}

// enter ends the current phase and begins another.
func (t *timing) enter(p phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.current != noPhase {
		t.spent[t.current] += now.Sub(t.since)
	}
	t.current, t.since = p, now
}

// done ends the current phase.
func (t *timing) done() { t.enter(noPhase) }

func (t *timing) dialled(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.address = address
}

// addTo adds the measured phases to a result, without the current one.
func (t *timing) addTo(result *job.ProbeResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	result.Address = t.address
	result.Phases = job.Phases{
		DNS: job.Duration(t.spent[inDNS]), Connect: job.Duration(t.spent[inConnect]), TLS: job.Duration(t.spent[inTLS]),
		Processing: job.Duration(t.spent[inProcessing]), Transfer: job.Duration(t.spent[inTransfer]),
	}
}

func (t *timing) currentPhase() phase {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}
