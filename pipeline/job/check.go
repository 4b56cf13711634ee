package job

import "time"

// Check is a job for a check worker. The scheduler enqueues one for each slot of
// a monitor; people and programs enqueue ad-hoc checks with an id.
type Check struct {
	V int `json:"v"`
	// ID identifies an ad-hoc check and its outcome. Empty for a scheduled check.
	// An ad-hoc check without an id takes the last token of its subject.
	ID string `json:"id,omitempty"`
	// Monitor and Slot identify a scheduled check. Empty for an ad-hoc check.
	Monitor string `json:"monitor,omitempty"`
	Slot    Slot   `json:"slot,omitzero"`
	// Location selects the workers that may run the check; empty means "default".
	Location string `json:"location,omitempty"`
	// NotAfter is the deadline: a later worker records the check as expired
	// instead of running it. Zero means no deadline.
	NotAfter time.Time `json:"not_after,omitzero"`
	Spec
}
