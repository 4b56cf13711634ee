package workers

import (
	"context"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/workers/check"
)

// HeartbeatDeadline says until when a job may stay silent.
type HeartbeatDeadline struct {
	// LastPing is the last success, or when the monitoring began. Zero means that
	// the heartbeat was never checked.
	LastPing time.Time `json:"last_ping,omitzero"`
	// Due is when the job is down without another ping.
	Due time.Time `json:"due,omitzero"`
	// Absences are the times since then in which no ping could be taken, and Moved
	// by how much they moved the deadline.
	Absences []job.Absence `json:"absences,omitempty"`
	Moved    job.Duration  `json:"moved,omitempty"`
}

// ReadHeartbeatDeadline reads the deadline of a job; nil for another monitor.
func ReadHeartbeatDeadline(ctx context.Context, p *pipeline.Pipeline, m *job.Monitor, now time.Time) (*HeartbeatDeadline, error) {
	if m.Heartbeat == nil {
		return nil, nil //nolint:nilnil // most monitors
	}
	pings, err := ReadPings(ctx, p, m.Heartbeat.Token, now)
	if err != nil {
		return nil, err
	}
	deadline := newHeartbeatDeadline(pings, m.Heartbeat)
	return &deadline, nil
}

func newHeartbeatDeadline(pings check.LastPings, h *job.Heartbeat) HeartbeatDeadline {
	d := HeartbeatDeadline{LastPing: pings.LastSuccess().UTC()}
	if d.LastPing.IsZero() {
		return d
	}
	d.Due = h.DueBy(d.LastPing, pings.Absences)
	for _, a := range pings.Absences {
		if a.To.After(d.LastPing) && a.From.Before(d.Due) {
			d.Absences = append(d.Absences, a)
		}
	}
	d.Moved = job.Duration(d.Due.Sub(d.LastPing) - h.Deadline())
	return d
}
