package pipeline

import (
	"context"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Notify stores a notice for the operators, and sets its version, time and source
// if they are missing. A second notice with the same id within 20 s is dropped.
func (p *Pipeline) Notify(ctx context.Context, n job.Notice) error {
	n.V = job.Version
	if n.At.IsZero() {
		n.At = time.Now().UTC()
	}
	if n.Source == "" {
		n.Source = p.config.Process
	}
	return PublishJob(ctx, p, n, Message{Subject: topology.NoticeSubject(n.Kind), ID: "notice-" + n.ID})
}
