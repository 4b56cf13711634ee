package soak

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

// missing is a job that was acknowledged and that nobody has seen done, and where
// it ought to be.
type missing struct {
	acknowledged

	consumer topology.Consumer
	subject  string
}

func names(jobs []missing) []string {
	ids := make([]string, 0, len(jobs))
	for _, j := range jobs {
		ids = append(ids, j.id)
	}
	return ids
}

// note keeps what happened, and when, for whoever looks into what is missing.
func (s *clusterSoak) note(format string, words ...any) {
	s.diary = append(s.diary, fmt.Sprintf(format, words...))
}

func wall(t time.Time) string { return t.Format("15:04:05.000") }

const (
	maxTraced = 20
	traceTime = time.Minute
)

// trace tells all that can be known of the jobs that are missing: what was said
// when they were stored, what the cluster says of them now, and what happened to
// the cluster meanwhile. It is empty when none is missing.
func (s *clusterSoak) trace(ctx context.Context, b clusterBalance) string {
	jobs := append(append([]missing{}, b.lost...), b.pending...)
	if len(jobs) == 0 {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, traceTime)
	defer cancel()
	var out strings.Builder
	out.WriteString("what happened\n")
	for _, line := range s.diary {
		out.WriteString("  " + line + "\n")
	}
	for _, j := range jobs[:min(len(jobs), maxTraced)] {
		fmt.Fprintf(&out, "%s was ordered at %s, and acknowledged at %s as %d in %d tries, stored before: %t\n",
			j.id, wall(j.ordered), wall(j.at), j.stored.Sequence, j.stored.Tries, j.stored.Before)
		for _, line := range inspect.Trace(ctx, s.pipeline, inspect.Job{Consumer: j.consumer, Subject: j.subject, ID: j.id, Sequence: j.stored.Sequence}) {
			out.WriteString("  " + line + "\n")
		}
	}
	return out.String()
}
