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
	// Direct, when set, sends a notice to the operators without the storage: about
	// the storage itself, and any other one while the storage has failed.
	Direct func(context.Context, job.Notice) error
	// Previous, when set, is the reporter of an earlier run in this process, which
	// has ended. What it reported or could not send is continued.
	Previous *Reporter
	// Inherited are the conditions that failed in an earlier process when that ended
	// without a clean stop. Its operators know of them, and hear of their end.
	Inherited []job.ProcessCondition
	// Logger gets one line for each change.
	Logger *slog.Logger
}

// Reporter notifies the operators when a condition has failed for a while, and
// when it is met again. A failure that is shorter than [reportAfter] is only
// logged, except for one of the storage. A failure that becomes worse, such as a
// relay that is away and then the next one, is reported again, and ends once. What
// it could not send is sent later; when a condition changes in the meantime, both
// changes are sent, in order. Each notice is sent on one way only.
type Reporter struct {
	config   ReporterConfig
	reported map[job.ProcessConditionName]timed     // the failures that the operators know
	worse    map[job.ProcessConditionName]time.Time // since when those are worse than reported
	waiting  []change
}

// change is a notice about a condition.
type change struct {
	job.Notice

	condition job.ProcessConditionName
}

// NewReporter returns a reporter that starts with Serve.
func NewReporter(config ReporterConfig) *Reporter {
	r := &Reporter{config: config, reported: map[job.ProcessConditionName]timed{}, worse: map[job.ProcessConditionName]time.Time{}}
	for _, c := range config.Inherited {
		r.reported[c.Name] = timed{c, c.Since}
	}
	if config.Previous != nil {
		r.reported, r.waiting = config.Previous.reported, config.Previous.waiting
		r.config.Previous = nil
	}
	return r
}

const (
	// reportAfter is how long a condition must fail before the operators are
	// notified: a relay that restarts is in the log only.
	reportAfter = 5 * time.Second
	// storageSettles is how long the storage must work again before its fault
	// counts as ended: a disk that is full again and again is one fault.
	storageSettles = 10 * time.Second
	// reportPeriod is how often the reporter compares and tries.
	reportPeriod = time.Second
	// notifyTimeout and directTimeout bound one try.
	notifyTimeout = 2 * time.Second
	directTimeout = 20 * time.Second
)

// delays returns how long a condition must have failed, and then be met, before
// the operators are notified. Every failure of the storage is reported, as checks
// were missed.
func delays(name job.ProcessConditionName) (failed, met time.Duration) {
	if name == job.ProcessStorage {
		return 0, storageSettles
	}
	return reportAfter, 0
}

// Serve reports until ctx ends.
func (r *Reporter) Serve(ctx context.Context) error {
	supervise.Ready(ctx)
	ticker := time.NewTicker(reportPeriod)
	defer ticker.Stop()
	for {
		changed := r.config.Conditions.Changed()
		r.compare(ctx, time.Now())
		r.send(ctx)
		select {
		case <-ctx.Done():
			r.compare(ctx, time.Now()) // the next run in this process sends it
			return nil
		case <-changed: // a failure may be short
		case <-ticker.C:
		}
	}
}

// compare adds a notice for each change that the operators should know.
func (r *Reporter) compare(ctx context.Context, now time.Time) {
	for _, c := range r.config.Conditions.timed() {
		known, reported := r.reported[c.Name]
		failed, met := delays(c.Name)
		switch lasts := now.Sub(c.began); {
		case c.OK && reported && lasts >= met:
			delete(r.reported, c.Name)
			r.config.Logger.WarnContext(ctx, "fault ended", "condition", c.Name, "lasted", c.began.Sub(known.began).Round(time.Second))
			r.waiting = append(r.waiting, change{endedNotice(r.config.Process, known, c), c.Name})
		case !c.OK && reported && !r.isWorse(known, c, now):
			known.Detail = c.Detail // the last one says most
			r.reported[c.Name] = known
		case !c.OK && (reported || lasts >= failed):
			r.reported[c.Name] = c
			r.config.Logger.ErrorContext(ctx, "fault began", "condition", c.Name, "reason", c.Reason, "detail", c.Detail)
			r.waiting = append(r.waiting, change{beganNotice(r.config.Process, c), c.Name})
		}
	}
}

// isWorse reports whether a failure that was reported as a lesser one has been worse
// for a while.
func (r *Reporter) isWorse(known, c timed, now time.Time) bool {
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
		if err := r.sendOne(ctx, r.waiting[0]); err != nil {
			r.config.Logger.DebugContext(ctx, "notice was not sent; retrying", "notice", r.waiting[0].Summary, "error", err)
			return
		}
		r.waiting = r.waiting[1:]
	}
}

// sendOne sends a notice on the way that does not depend on the fault.
func (r *Reporter) sendOne(ctx context.Context, c change) error {
	send, timeout := r.config.Notify, notifyTimeout
	storage, known := r.config.Conditions.Find(job.ProcessStorage)
	if r.config.Direct != nil && (c.condition == job.ProcessStorage || known && !storage.OK) {
		send, timeout = r.config.Direct, directTimeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return send(limited, c.Notice)
}

func beganNotice(process string, c timed) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("fault", process, string(c.Name), string(c.Reason), c.Since.Format(time.RFC3339Nano)), Kind: job.NoticeFault, At: c.Since,
		Source: process, Summary: fmt.Sprintf("%s of process %s failed: %s", c.Name, process, c.Detail),
	}
}

func endedNotice(process string, began, ended timed) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("fault_ended", process, string(ended.Name), ended.Since.Format(time.RFC3339Nano)), Kind: job.NoticeFaultEnded, At: ended.Since,
		Source: process, Summary: fmt.Sprintf("%s of process %s works again, after %s", ended.Name, process, ended.began.Sub(began.began).Round(time.Second)),
		Detail: began.Detail,
	}
}
