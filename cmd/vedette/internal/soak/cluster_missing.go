package soak

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

// missing is an acknowledged job that was not done, and where it should be.
type missing struct {
	acknowledged

	consumer topology.Consumer
	subject  string
}

func ids(jobs []missing) []string {
	ids := make([]string, 0, len(jobs))
	for _, j := range jobs {
		ids = append(ids, j.id)
	}
	return ids
}

func wall(t time.Time) string { return t.Format("15:04:05.000") }

const (
	maxTraced = 20
	traceTime = time.Minute
)

// trace reports all known facts about missing jobs: the acknowledgement, what the
// cluster says now, and the events. It is empty when no job is missing.
func (c *cluster) trace(ctx context.Context, b clusterBalance) string {
	jobs := append(append([]missing{}, b.lost...), b.pending...)
	if len(jobs) == 0 {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, traceTime)
	defer cancel()
	var out strings.Builder
	out.WriteString("events\n")
	for _, line := range c.events {
		out.WriteString("  " + line + "\n")
	}
	for _, j := range jobs[:min(len(jobs), maxTraced)] {
		fmt.Fprintf(&out, "%s was enqueued at %s, and acknowledged at %s as %d in %d tries, stored before: %t\n",
			j.id, wall(j.enqueued), wall(j.at), j.stored.Sequence, j.stored.Tries, j.stored.Before)
		for _, line := range inspect.Trace(ctx, c.pipeline, inspect.Job{Consumer: j.consumer, Subject: j.subject, ID: j.id, Sequence: j.stored.Sequence}) {
			out.WriteString("  " + line + "\n")
		}
	}
	return out.String()
}
