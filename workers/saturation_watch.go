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

// saturationWatch detects that checks at a location miss their slots for lack of
// capacity, and notifies the operators with the advice from 'vedette doctor'.
//
// Waiting checks are cheap to see. Only when checks wait for a while does the
// watch ask the processes and read the results.
type saturationWatch struct {
	*shared

	waited map[string]int // by location, how many more times checks waited than not
}

const (
	// saturationPeriod is how often waiting checks are counted.
	saturationPeriod = 10 * time.Second
	// saturationPolls is how many times checks must wait: a burst, such as after
	// a server outage, is soon done.
	saturationPolls = 3
	// saturationWindow is how far back results are then read.
	saturationWindow = (saturationPolls - 1) * saturationPeriod
)

func (s *maintainStage) watchSaturation(ctx context.Context) error {
	w := &saturationWatch{shared: s.shared, waited: map[string]int{}}
	return w.poll(ctx, saturationPeriod, saturationPeriod, "capacity for checks", w.check)
}

// check counts how often checks waited, and analyzes it after enough times.
func (w *saturationWatch) check(ctx context.Context, now time.Time) error {
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
		if waiting == 0 { // possible for a moment, too, while missed slots are skipped
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
	return w.analyze(ctx, now)
}

func (w *saturationWatch) analyze(ctx context.Context, now time.Time) error {
	s, err := askProcesses(ctx, w.p)
	if err == nil {
		err = snapshotChecks(ctx, w.p, &s, saturationWindow)
	}
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

// saturationNotice has the same id for a location for an hour, in all processes.
func saturationNotice(f doctor.Finding, now time.Time) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("saturated", f.Subject, now.UTC().Truncate(time.Hour).Format(time.RFC3339)),
		Kind: job.NoticeSaturated, At: now.UTC(), Summary: f.Found, Detail: f.Why + "\n" + f.Advice,
	}
}
