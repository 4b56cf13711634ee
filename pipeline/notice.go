package pipeline

import (
	"context"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Notify stores a notice for the operators. Version, time and source are
// filled in where they are missing. A notice with the id of one that was stored
// within 20 s is not stored again.
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
