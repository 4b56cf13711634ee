package instance

import (
	"context"
	"strings"
	"time"

	"vedette/pipeline/stranded"
)

// reclaimTimeout bounds the delay of a start. What is not reclaimed by then is
// delivered once its hold has expired.
const reclaimTimeout = 10 * time.Second

// serverRestarted examines the streams after a restart of the server inside the
// process. Jobs that were settled while it could not write are stranded now.
func (r *instanceRun) serverRestarted(ctx context.Context) error {
	if err := r.pipeline.Ensure(ctx); err != nil {
		return err
	}
	if _, err := stranded.RepairCertain(ctx, r.pipeline); err != nil {
		return err
	}
	return r.recovered.reconcile(ctx, r.pipeline, r.log)
}

// reclaim has the jobs of processes that were killed delivered at once.
func (r *instanceRun) reclaim(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, reclaimTimeout)
	defer cancel()
	var err error
	r.reclaimed, err = stranded.Reclaim(limited, r.pipeline, r.options.NATS == "")
	if err != nil {
		r.log.WarnContext(ctx, "jobs of processes that were killed are not delivered at once, but within seconds", "error", err)
	}
	if len(r.reclaimed.Gone)+r.reclaimed.Jobs+r.reclaimed.Repaired == 0 {
		return
	}
	var names []string
	for i := range r.reclaimed.Gone {
		names = append(names, r.reclaimed.Gone[i].Name)
	}
	r.log.WarnContext(ctx, "a process ended without a clean stop; its jobs are delivered again",
		"processes", strings.Join(names, " "), "jobs", r.reclaimed.Jobs, "stranded_jobs_repaired", r.reclaimed.Repaired)
}
