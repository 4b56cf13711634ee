package health

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
)

// ReporterConfig configures a [Reporter].
type ReporterConfig struct {
	Conditions *Conditions
	// Process is the name in the notices.
	Process string
	// Notify stores a notice for the operators. It may fail while the storage is
	// broken or the server is away; the reporter then tries again.
	Notify func(context.Context, job.Notice) error
	// Logger gets one line for each change.
	Logger *slog.Logger
}

// Reporter notifies the operators when a condition has failed for a while, and
// when it is met again. A failure that is shorter than [reportAfter] is only
// logged. A failure that becomes worse, such as a relay that is away and then a
// second one, is reported again, and its end once. What it could not send is sent later; when a condition changes in the
// meantime, both changes are sent, in order.
type Reporter struct {
	config   ReporterConfig
	reported map[job.ProcessConditionName]job.ProcessCondition // the failures that the operators know
	worse    map[job.ProcessConditionName]time.Time            // since when those are worse than reported
	waiting  []job.Notice
}

// NewReporter returns a reporter that starts with Serve.
func NewReporter(config ReporterConfig) *Reporter {
	return &Reporter{config: config, reported: map[job.ProcessConditionName]job.ProcessCondition{}, worse: map[job.ProcessConditionName]time.Time{}}
}

const (
	// reportAfter is how long a condition must fail before the operators are
	// notified: a restarted relay, or a full disk of one second, is in the log only.
	reportAfter = 5 * time.Second
	// reportPeriod is how often the reporter compares and tries.
	reportPeriod = time.Second
	// notifyTimeout bounds one try.
	notifyTimeout = 2 * time.Second
)

// Serve reports until ctx ends.
func (r *Reporter) Serve(ctx context.Context) error {
	supervise.Ready(ctx)
	ticker := time.NewTicker(reportPeriod)
	defer ticker.Stop()
	for {
		r.compare(ctx, time.Now())
		r.send(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// compare adds a notice for each change that the operators should know.
func (r *Reporter) compare(ctx context.Context, now time.Time) {
	for _, c := range r.config.Conditions.List() {
		known, reported := r.reported[c.Name]
		due := !c.OK && !reported && now.Sub(c.Since) >= reportAfter
		switch {
		case c.OK && reported:
			delete(r.reported, c.Name)
			r.config.Logger.WarnContext(ctx, "fault ended", "condition", c.Name, "lasted", c.Since.Sub(known.Since).Round(time.Second))
			r.waiting = append(r.waiting, endedNotice(r.config.Process, known, c))
		case due || r.isWorse(known, c, now):
			r.reported[c.Name] = c
			r.config.Logger.ErrorContext(ctx, "fault began", "condition", c.Name, "reason", c.Reason, "detail", c.Detail)
			r.waiting = append(r.waiting, beganNotice(r.config.Process, c))
		}
	}
}

// isWorse reports whether a failure that was reported as a lesser one has been worse
// for a while.
func (r *Reporter) isWorse(known, c job.ProcessCondition, now time.Time) bool {
	if c.OK || !known.Reason.Lesser() || c.Reason.Lesser() {
		delete(r.worse, c.Name)
		return false
	}
	since, ok := r.worse[c.Name]
	if !ok {
		r.worse[c.Name] = now
	}
	return ok && now.Sub(since) >= reportAfter
}

// send sends what waits, oldest first.
func (r *Reporter) send(ctx context.Context) {
	for len(r.waiting) > 0 {
		limited, cancel := context.WithTimeout(ctx, notifyTimeout)
		err := r.config.Notify(limited, r.waiting[0])
		cancel()
		if err != nil {
			r.config.Logger.DebugContext(ctx, "notice was not stored; retrying", "notice", r.waiting[0].Summary, "error", err)
			return
		}
		r.waiting = r.waiting[1:]
	}
}

func beganNotice(process string, c job.ProcessCondition) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("fault", process, string(c.Name), string(c.Reason), c.Since.Format(time.RFC3339Nano)), Kind: job.NoticeFault, At: c.Since,
		Source: process, Summary: fmt.Sprintf("%s of process %s failed: %s", c.Name, process, c.Detail),
	}
}

func endedNotice(process string, began, ended job.ProcessCondition) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("fault_ended", process, string(ended.Name), ended.Since.Format(time.RFC3339Nano)), Kind: job.NoticeFaultEnded, At: ended.Since,
		Source: process, Summary: fmt.Sprintf("%s of process %s works again, after %s", ended.Name, process, ended.Since.Sub(began.Since).Round(time.Second)),
		Detail: began.Detail,
	}
}
