package web

import (
	"cmp"
	"slices"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// Row is a monitor on the status page and in its JSON.
type Row struct {
	Name   string     `json:"name"`
	Target string     `json:"target"`
	Health job.Health `json:"health"`
	// Flags are open conditions and properties such as no_data, flapping, degraded
	// or paused.
	Flags []string `json:"flags,omitempty"`
	// Locations are the votes of several locations.
	Locations []job.Vote `json:"locations,omitempty"`
	// Since is when the health began, zero if it has never changed.
	Since time.Time `json:"since,omitzero"`
	// Class and Cause describe the failure.
	Class job.Class `json:"class,omitempty"`
	Cause string    `json:"cause,omitempty"`
	// Checked is the slot of the last result, Latency its duration.
	Checked time.Time    `json:"checked,omitzero"`
	Latency job.Duration `json:"latency,omitempty"`
	// MissedSlots counts slots without a check, from one day before the process
	// started.
	MissedSlots int `json:"missed_slots,omitempty"`
}

// Rows returns all defined monitors, the most urgent first, then by name.
func (t *MonitorTable) Rows() []Row {
	t.mu.RLock()
	defer t.mu.RUnlock()
	rows := make([]Row, 0, t.entries.Len())
	t.entries.All(func(id compact.ID) bool {
		if t.entries.Value(id).defined {
			rows = append(rows, t.row(id))
		}
		return true
	})
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), cmp.Compare(a.Name, b.Name))
	})
	return rows
}

// urgency is lower for more urgent rows.
func urgency(r Row) int {
	order := slices.Index([]job.Health{job.Down, job.Degraded, job.Unknown, job.Pending, job.Up}, r.Health)
	if r.Health != job.Down && slices.Contains(r.Flags, string(job.ConditionNoData)) {
		return 1 // like degraded
	}
	return order
}
