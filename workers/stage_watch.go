package workers

import (
	"context"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/process"
)

// stageWatch detects a stage without a process: its jobs wait in their stream.
// Without a scheduler nothing is checked, and no misses are recorded, since the
// scheduler records them.
type stageWatch struct {
	*shared

	missing map[string]time.Time // by stage, since when it has no process
}

const (
	// stagePeriod is how often the stages are checked.
	stagePeriod = 10 * time.Second
	// stageGoneAfter is how long a stage may have no process, such as during an
	// upgrade.
	stageGoneAfter = process.LeaseTime + 10*time.Second
)

func (s *maintainStage) watchStages(ctx context.Context) error {
	w := &stageWatch{shared: s.shared, missing: map[string]time.Time{}}
	return w.poll(ctx, stagePeriod, process.LeaseTime, "processes for each stage", w.check) // leases cannot be renewed without the server
}

func (w *stageWatch) check(ctx context.Context, now time.Time) error {
	for _, stage := range append(Stages(), StageSchedule) {
		serves, err := process.Serves(ctx, w.p, stage, "")
		if err != nil {
			return err
		}
		since, known := w.missing[stage]
		switch {
		case serves:
			delete(w.missing, stage)
		case !known:
			w.missing[stage] = now
		case now.Sub(since) >= stageGoneAfter:
			if err := w.p.Notify(ctx, stageGoneNotice(stage, now)); err != nil {
				return err
			}
		}
	}
	return nil
}

// stageGoneNotice has the same id for an hour, in all processes.
func stageGoneNotice(stage string, now time.Time) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("stage_gone", stage, now.UTC().Truncate(time.Hour).Format(time.RFC3339)),
		Kind: job.NoticeStageGone, At: now.UTC(), Summary: "no process runs the stage " + stage,
	}
}
