package job

import (
	"fmt"
	"math"
	"time"
)

// Check is a job for a check worker. The scheduler enqueues one for each slot of
// a monitor; people and programs enqueue ad-hoc checks with an id.
type Check struct {
	V int `json:"v"`
	// ID identifies an ad-hoc check and its outcome. Empty for a scheduled check.
	// An ad-hoc check without an id takes its last subject token.
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

// CheckTemplate is an encoded scheduled check without its slot. Schedulers keep
// one for each monitor: it takes a fifth of the memory for a [Check], and filling
// it in costs a tenth of encoding a check.
type CheckTemplate struct {
	Body []byte
	// SlotOffset and NotAfterOffset are the places in Body for these two fields.
	SlotOffset, NotAfterOffset uint16
}

// NewCheckTemplate encodes a check without its slot and deadline. The error comes
// from [Encode], or reports names that are too long.
func NewCheckTemplate(c Check) (CheckTemplate, error) {
	c.Slot, c.NotAfter, c.V = time.Time{}, time.Time{}, max(c.V, Version) // all three texts carry one version
	if template, ok := c.templateFast(); ok {
		return template, nil
	}
	whole, err := Encode(c)
	if err != nil {
		return CheckTemplate{}, err
	}
	untilSlot, err := Encode(Check{V: c.V, ID: c.ID, Monitor: c.Monitor})
	if err != nil {
		return CheckTemplate{}, err
	}
	untilDeadline, err := Encode(Check{V: c.V, ID: c.ID, Monitor: c.Monitor, Location: c.Location})
	if err != nil {
		return CheckTemplate{}, err
	}
	if len(untilDeadline) > math.MaxUint16 {
		return CheckTemplate{}, fmt.Errorf("make check template: found a name and a location of %d bytes, expected less than %d", len(untilDeadline), math.MaxUint16)
	}
	return CheckTemplate{Body: whole, SlotOffset: uint16(len(untilSlot) - 1), NotAfterOffset: uint16(len(untilDeadline) - 1)}, nil //nolint:gosec // see above
}

// Encode returns the check for a slot, in the form that [Encode] gives.
func (t CheckTemplate) Encode(slot Slot, notAfter time.Time) []byte {
	const room = len(`,"slot":"2006-01-02T15:04:05Z","not_after":"2006-01-02T15:04:05Z"`)
	body := make([]byte, 0, len(t.Body)+room)
	body = append(body, t.Body[:t.SlotOffset]...)
	body = slot.AppendFormat(append(body, `,"slot":"`...), time.RFC3339Nano)
	body = append(append(body, '"'), t.Body[t.SlotOffset:t.NotAfterOffset]...)
	body = notAfter.AppendFormat(append(body, `,"not_after":"`...), time.RFC3339Nano)
	return append(append(body, '"'), t.Body[t.NotAfterOffset:]...)
}
