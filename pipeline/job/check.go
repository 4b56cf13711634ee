package job

import "time"

// Check orders one check. The scheduler orders one for each slot of a monitor;
// people and programs order theirs by a request with an id.
type Check struct {
	V int `json:"v"`
	// ID identifies an ordered check; its outcome is kept under it. Empty for
	// a scheduled check. A request without it takes the last token of its
	// subject.
	ID string `json:"id,omitempty"`
	// Monitor and Slot identify a scheduled check. Empty for an ordered one.
	Monitor string `json:"monitor,omitempty"`
	Slot    Slot   `json:"slot,omitzero"`
	// Location is where the check runs; empty means "default".
	Location string `json:"location,omitempty"`
	// NotAfter is when the check is no longer wanted: later it is recorded as
	// expired, and not run. Zero means that it is always wanted.
	NotAfter time.Time `json:"not_after,omitzero"`
	Spec
}
