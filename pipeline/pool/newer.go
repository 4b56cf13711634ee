package pool

import (
	"context"
	"fmt"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// A job of a newer version is nobody's failure. Whoever meets it gives it back,
// which counts as no attempt, and in the end a newer process takes it. What
// somebody has ordered, of which there may be any number, does not stay in the
// way of others for ever: after newerPatience it is parked among the dead
// letters, from where the stage operate of a newer process gives it back. What
// the pipeline makes for itself is bounded where it is, and waits there.
const (
	newerPatience = time.Minute
	newerLeast    = 250 * time.Millisecond
	newerMost     = 30 * time.Second
)

// leave decides what becomes of a job of a newer version: a newer process takes
// it within moments, if there is one, so that it is offered often at first.
func (c Config) leave(age time.Duration, chance float64) fate {
	if age > newerPatience && orders(c.Consumer.Stream) {
		return fate{dead: job.ReasonUnsupported}
	}
	wait := min(newerMost, max(newerLeast, age/4))
	return fate{wait: time.Duration(float64(wait) * (0.75 + chance/2))}
}

// orders tells whether a stream holds what people and programs order, alerts
// among it.
func orders(stream topology.Stream) bool {
	return stream == topology.Adhoc || stream == topology.Call || stream == topology.Mail
}

// newerTold is how often a pool tells the operators that it meets jobs of a
// newer version.
const newerTold = time.Hour

// tellNewer tells the operators that there are jobs which this process does not
// understand.
func (r *run) tellNewer(ctx context.Context, t *task) {
	now := time.Now()
	if told := r.newer.Load(); told != 0 && now.Sub(time.Unix(0, told)) < newerTold || !r.newer.CompareAndSwap(told, now.UnixNano()) {
		return
	}
	err := r.p.Notify(ctx, job.Notice{
		Kind: job.NoticeNewer, ID: job.DeriveID("newer", r.config.Consumer.Name, now.UTC().Truncate(newerTold).Format(time.RFC3339)),
		Summary: fmt.Sprintf("stage %s leaves %s to a newer process: %v", r.config.Stage, t.delivery.Subject, t.err),
	})
	if err != nil {
		r.log.WarnContext(ctx, "tell operators of a newer version", "error", err)
	}
}
