package workers

import (
	"context"
	"time"

	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
	"vedette/workers/doctor"
)

// saturationWatch notices that the checks of a location miss their slots for
// lack of room, and tells the operators what 'vedette doctor' would advise.
//
// Whether checks wait is cheap to see. Only when they do for a while, the
// processes are asked and the results are read.
type saturationWatch struct {
	*shared

	waited map[string]int // by location, at how many more looks checks waited than not
}

const (
	// saturationPeriod is how often is looked whether checks wait.
	saturationPeriod = 10 * time.Second
	// saturationPolls is at how many looks they must: what comes together, as after
	// a pause of the server, is soon done.
	saturationPolls = 3
	// saturationWindow is how far back results are read then.
	saturationWindow = (saturationPolls - 1) * saturationPeriod
)

func (w *saturationWatch) serve(ctx context.Context) error {
	w.waited = map[string]int{}
	return w.poll(ctx, saturationPeriod, saturationPeriod, "checks without room", w.look)
}

// look counts at how many looks checks waited, and examines when they have for
// long enough.
func (w *saturationWatch) look(ctx context.Context, now time.Time) error {
	locations, err := process.CheckLocations(ctx, w.p)
	if err != nil {
		return err
	}
	long := false
	for _, location := range locations {
		waiting, _, err := inspect.Waiting(ctx, w.p, topology.CheckConsumer(location), now)
		if err != nil {
			return err
		}
		if waiting == 0 { // which it may be for a moment, too, while slots are left out
			w.waited[location] = max(0, w.waited[location]-1)
			continue
		}
		w.waited[location]++
		long = long || w.waited[location] >= saturationPolls
	}
	if !long {
		return nil
	}
	clear(w.waited)
	return w.examine(ctx, now)
}

func (w *saturationWatch) examine(ctx context.Context, now time.Time) error {
	s, err := snapshotChecks(ctx, w.p, saturationWindow)
	if err != nil {
		return err
	}
	for _, finding := range doctor.Saturation(s) {
		if err := w.p.Notify(ctx, saturationNotice(finding, now)); err != nil {
			return err
		}
	}
	return nil
}

// saturationNotice tells of a location without room, once an hour whoever
// notices.
func saturationNotice(f doctor.Finding, now time.Time) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("saturated", f.Subject, now.UTC().Truncate(time.Hour).Format(time.RFC3339)),
		Kind: job.NoticeSaturated, At: now.UTC(), Summary: f.Found, Detail: f.Why + "\n" + f.Advice,
	}
}
