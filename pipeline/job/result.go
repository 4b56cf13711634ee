package job

import "time"

// Health is the state of a target or a monitor.
type Health string

// The healths. A probe result is up, degraded, down or unknown; a monitor without
// a result is pending.
const (
	Pending Health = "pending"
	Up      Health = "up"
	Down    Health = "down"
	// Degraded means up, but a warn expression failed.
	Degraded Health = "degraded"
	// Unknown means that the check failed for a reason on our side. It never
	// makes a monitor down.
	Unknown Health = "unknown"
)

// OK reports whether the target works, degraded or not.
func (h Health) OK() bool { return h == Up || h == Degraded }

// Class is the kind of failure in a probe result.
type Class string

// The classes, in the order in which a check meets them.
const (
	ClassDNS         Class = "dns"         // name resolution failed
	ClassConnect     Class = "connect"     // no connection
	ClassTLS         Class = "tls"         // handshake, chain or host name
	ClassTimeout     Class = "timeout"     // the deadline passed, in any phase
	ClassProtocol    Class = "protocol"    // the peer does not speak the protocol
	ClassStatus      Class = "status"      // the response has a bad status
	ClassExpectation Class = "expectation" // the response fails an expectation
	ClassInternal    Class = "internal"    // the check itself failed; the health is unknown
)

// ProbeResult is the finding of one probe. A failure is a value, not an error.
type ProbeResult struct {
	Health Health `json:"health"`
	// Class and Cause explain a target that is not up; both are empty for up.
	Class Class  `json:"class,omitempty"`
	Cause string `json:"cause,omitempty"`
	// Started is when the check began, Latency its total time.
	Started time.Time `json:"started"`
	Latency Duration  `json:"latency"`
	Phases  Phases    `json:"phases"`
	// Address is the last dialled IP and port.
	Address string `json:"address,omitempty"`
	// Status is the HTTP status of the last response.
	Status int `json:"status,omitempty"`
	// CertificateExpires is the earliest end of validity in the verified chain, or
	// in the certificate that the peer showed when there was no verification.
	CertificateExpires time.Time `json:"certificate_expires,omitzero"`
	// SelfCheckFailed means that the worker could not reach its reference targets
	// either, so the failure says nothing about the target. The health is unknown.
	SelfCheckFailed bool `json:"self_check_failed,omitempty"`
	// Stack is the stack of a panic, for the operator.
	Stack string `json:"stack,omitempty"`
}

// Phases are the parts of the latency, in order. A phase that was not reached, or
// does not apply, is zero. Their sum is at most the latency.
type Phases struct {
	DNS        Duration `json:"dns,omitempty"`
	Connect    Duration `json:"connect,omitempty"`
	TLS        Duration `json:"tls,omitempty"`
	Processing Duration `json:"processing,omitempty"`
	Transfer   Duration `json:"transfer,omitempty"`
}

// Result is the end of one check: a probe result, or a recorded miss.
type Result struct {
	// ID identifies an ad-hoc check; Monitor and Slot a scheduled one.
	ID      string `json:"id,omitempty"`
	Monitor string `json:"monitor,omitempty"`
	Slot    Slot   `json:"slot,omitzero"`
	// Worker is the process that made the check.
	Worker   string `json:"worker,omitempty"`
	Location string `json:"location,omitempty"`
	// Exactly one of ProbeResult and Miss is set.
	ProbeResult *ProbeResult `json:"probe_result,omitempty"`
	Miss        *Miss        `json:"miss,omitempty"`
}

// Results is a batch of results, the form in which they travel.
type Results struct {
	V       int      `json:"v"`
	Results []Result `json:"results"`
}

// MissReason is why a slot ended without a check.
type MissReason string

// The reasons.
const (
	// MissNoProcess: no process scheduled checks at that time.
	MissNoProcess MissReason = "no_process"
	// MissLate: the scheduler handled the tick too late for this slot.
	MissLate MissReason = "late"
	// MissOverlap: the check for an earlier slot was still queued or running.
	MissOverlap MissReason = "overlap"
	// MissExpired: the check waited for a worker until its slot was over.
	MissExpired MissReason = "expired"
	// MissShed: workers cannot make all due checks in time, and the scheduler left
	// this slot out so that others run in theirs.
	MissShed MissReason = "shed"
	// MissRefused: the pipeline refused the check; Detail holds the error.
	MissRefused MissReason = "refused"
	// MissNoWorker: the check for an earlier slot is still queued, and no worker
	// takes checks at its location.
	MissNoWorker MissReason = "no_worker"
	// MissBrokerDown: the server was unavailable, so no tick came.
	MissBrokerDown MissReason = "broker_down"
	// MissClockSet: the clock was set forward over the slot, so it never came.
	MissClockSet MissReason = "clock_set"
	// MissNewer: the definition is newer than the scheduler.
	MissNewer MissReason = "newer_version"
	// MissPaused: the monitor is paused.
	MissPaused MissReason = "paused"
	// MissLost: the process that ran the check was killed, or the server delivered
	// the check to no worker; Detail says which.
	MissLost MissReason = "lost"
	// MissCheckFailed: the check itself failed, so that its result is unknown; the
	// cause is in Detail.
	MissCheckFailed MissReason = "check_failed"
)

// Miss records one or more consecutive slots without a check. The result's Slot
// is the first.
type Miss struct {
	Reason MissReason `json:"reason"`
	// Count is the number of slots, Last the last slot.
	Count  int    `json:"count"`
	Last   Slot   `json:"last"`
	Detail string `json:"detail,omitempty"`
}
