package job

// MissReason is why a slot ended without a check.
type MissReason string

// The reasons.
const (
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
	// MissNewer: the definition is newer than the scheduler.
	MissNewer MissReason = "newer_version"
	// MissPaused: the monitor is paused.
	MissPaused MissReason = "paused"
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
