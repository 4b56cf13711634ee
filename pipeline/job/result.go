package job

import "time"

// Health is what is known of a target or a monitor.
type Health string

// The healths. A check's outcome is up, down or unknown; a monitor that has no
// result yet is pending.
const (
	Pending Health = "pending"
	Up      Health = "up"
	Down    Health = "down"
	// Degraded is up, but not as it should be: a warn expression did not hold.
	Degraded Health = "degraded"
	// Unknown means that the check could not be made, by a fault on our side.
	// It never makes a monitor down.
	Unknown Health = "unknown"
)

// OK tells whether a target is there and does its work, well or less well.
func (h Health) OK() bool { return h == Up || h == Degraded }

// Class says what kind of failure made a check down or unknown.
type Class string

// The classes, in the order in which a check meets them.
const (
	ClassDNS         Class = "dns"         // the name was not resolved
	ClassConnect     Class = "connect"     // no connection
	ClassTLS         Class = "tls"         // handshake, chain or host name
	ClassTimeout     Class = "timeout"     // the deadline passed, wherever it was
	ClassProtocol    Class = "protocol"    // the peer does not speak the protocol
	ClassStatus      Class = "status"      // it answered, with a bad status
	ClassExpectation Class = "expectation" // it answered, with something else than expected
	ClassInternal    Class = "internal"    // we could not check; the health is unknown
)

// ProbeResult is what a probe found. A failure is a value, not an error.
type ProbeResult struct {
	Health Health `json:"health"`
	// Class and Cause say why the target is not up, or degraded; both are empty
	// when it is up.
	Class Class  `json:"class,omitempty"`
	Cause string `json:"cause,omitempty"`
	// Started is when the check began, Latency how long it took in all.
	Started time.Time `json:"started"`
	Latency Duration  `json:"latency"`
	Phases  Phases    `json:"phases"`
	// Address is the IP and port that was dialled last.
	Address string `json:"address,omitempty"`
	// Status is the HTTP status of the last response.
	Status int `json:"status,omitempty"`
	// CertificateExpires is the earliest end of validity in the chain that was
	// verified, or of the certificate that was shown when none was.
	CertificateExpires time.Time `json:"certificate_expires,omitzero"`
	// SelfCheckFailed says that the worker could not reach its canaries either, so that
	// the failure says nothing of the target; the health is unknown then.
	SelfCheckFailed bool `json:"self_check_failed,omitempty"`
	// Stack is the stack of a panic, for the operator.
	Stack string `json:"stack,omitempty"`
}

// Phases are the parts of a check's latency, in the order in which they
// happen. A phase that was not reached, or does not apply, is zero. Their sum
// is at most the latency.
type Phases struct {
	DNS        Duration `json:"dns,omitempty"`
	Connect    Duration `json:"connect,omitempty"`
	TLS        Duration `json:"tls,omitempty"`
	Processing Duration `json:"processing,omitempty"`
	Transfer   Duration `json:"transfer,omitempty"`
}

// Result is the end of one check: an outcome, or a recorded miss.
type Result struct {
	// ID is that of an ordered check; Monitor and Slot those of a scheduled one.
	ID      string `json:"id,omitempty"`
	Monitor string `json:"monitor,omitempty"`
	Slot    Slot   `json:"slot,omitzero"`
	// Worker is the process that made the check.
	Worker   string `json:"worker,omitempty"`
	Location string `json:"location,omitempty"`
	// ProbeResult is nil for a miss.
	ProbeResult *ProbeResult `json:"probe_result,omitempty"`
	// Miss is nil unless the check was not made.
	Miss *Miss `json:"miss,omitempty"`
}

// Results is a batch of results, as it travels.
type Results struct {
	V       int      `json:"v"`
	Results []Result `json:"results"`
}

// MissReason says why a slot ended without a check.
type MissReason string

// The reasons.
const (
	// MissLate: the slot's tick was handled too late to check it.
	MissLate MissReason = "late"
	// MissOverlap: the check of an earlier slot was still queued or running.
	MissOverlap MissReason = "overlap"
	// MissExpired: the check waited for a worker until its slot was over.
	MissExpired MissReason = "expired"
	// MissShed: more checks were due than workers make in time, and this slot was
	// left out so that others are checked in theirs.
	MissShed MissReason = "shed"
	// MissRefused: the pipeline refused the check; the error is in Detail.
	MissRefused MissReason = "refused"
	// MissNoWorker: the check of an earlier slot is still queued, and nobody
	// takes checks of its location.
	MissNoWorker MissReason = "no_worker"
	// MissBrokerDown: no tick came, since the server was away.
	MissBrokerDown MissReason = "broker_down"
	// MissNewer: the definition is of a newer version than the scheduler.
	MissNewer MissReason = "newer_version"
	// MissPaused: the monitor is paused.
	MissPaused MissReason = "paused"
	// MissCheckFailed: the check itself failed, so its result is unknown; the
	// cause is in Detail.
	MissCheckFailed MissReason = "check_failed"
)

// Miss records one or more slots of a monitor that were not checked. The
// result's Slot is the first of them.
type Miss struct {
	Reason MissReason `json:"reason"`
	// Count is how many consecutive slots were missed, Last the last of them.
	Count  int    `json:"count"`
	Last   Slot   `json:"last"`
	Detail string `json:"detail,omitempty"`
}
