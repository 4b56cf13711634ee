package instance

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"vedette/pipeline"
	"vedette/pipeline/datadir"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers/health"
	"vedette/workers/recovery"
)

// recoveries takes the reports about unclean starts of the server inside the
// process.
type recoveries struct {
	conditions *health.Conditions

	mu      sync.Mutex // guards the fields below
	reports []*datadir.Report
}

// add is called by the broker. What was lost stays a condition until the process
// ends, so that no place for people misses it.
func (r *recoveries) add(report *datadir.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, report)
	if detail := r.lost(); detail != "" {
		r.conditions.Failed(job.ProcessData, health.Problem{Reason: job.FaultDataLost, Detail: detail, Advisory: true})
	}
}

// lost describes everything that was lost so far; mu is held.
func (r *recoveries) lost() string {
	var all []datadir.Finding
	for _, report := range r.reports {
		all = append(all, report.Lost()...)
	}
	return LossDetail(all)
}

// LossDetail describes what was lost in one line, and what it means.
func LossDetail(lost []datadir.Finding) string {
	names := topology.Names{Prefix: pipeline.DefaultPrefix}
	var lines []string
	for i := range lost {
		line := lost[i].String()
		if effect := topology.Loss(names.CutStream(lost[i].Stream)); effect != "" {
			line += ": " + effect
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, " | ")
}

// reconcile repairs what contradicts itself after an unclean start.
func (r *recoveries) reconcile(ctx context.Context, p *pipeline.Pipeline, log *slog.Logger) error {
	r.mu.Lock()
	unclean, logsLost := len(r.reports) > 0, false
	for _, report := range r.reports {
		logsLost = logsLost || report.LostFrom(p.Names().Stream(topology.Notifications.Stream()))
	}
	r.mu.Unlock()
	if !unclean {
		return nil
	}
	monitors, err := recovery.Reconcile(ctx, p, logsLost)
	if err != nil {
		return err
	}
	if len(monitors) > 0 {
		log.WarnContext(ctx, "states of monitors did not match the notification log and were repaired",
			"monitors", len(monitors), "first", strings.Join(monitors[:min(len(monitors), maxRepaired)], " "))
	}
	return nil
}

// maxRepaired is how many monitors the log names.
const maxRepaired = 5
