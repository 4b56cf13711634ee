package workers

import (
	"context"
	"fmt"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/process"
)

// StageSchedule is the role of processes that turn ticks into checks. The other
// roles are stages.
const StageSchedule = "schedule"

// stageWatch notices that no process lives which does a part of the work: then
// jobs wait in their stream, or, without a scheduler, nothing is checked and
// nobody notices, since it is the scheduler that records what was missed.
type stageWatch struct {
	*shared

	absent map[string]time.Time // by role, since when nobody is seen
}

const (
	// stagePollPeriod is how often the roles are looked through.
	stagePollPeriod = 10 * time.Second
	// stageGoneAfter is how long nobody may be seen: processes are replaced.
	stageGoneAfter = process.LeaseTime + 10*time.Second
)

func (w *stageWatch) serve(ctx context.Context) error {
	w.absent = map[string]time.Time{}
	return w.poll(ctx, stagePollPeriod, process.LeaseTime, "processes of each role", w.look) // nobody renews a lease without a server
}

func (w *stageWatch) look(ctx context.Context, now time.Time) error {
	for _, role := range append(Stages(), StageSchedule) {
		serves, err := process.Serves(ctx, w.p, role, "")
		if err != nil {
			return err
		}
		since, known := w.absent[role]
		switch {
		case serves:
			delete(w.absent, role)
		case !known:
			w.absent[role] = now
		case now.Sub(since) >= stageGoneAfter:
			if err := w.p.Notify(ctx, stageGoneNotice(role, now)); err != nil {
				return err
			}
		}
	}
	return nil
}

// stageGoneNotice tells of a role that nobody has, once an hour whoever notices.
func stageGoneNotice(role string, now time.Time) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("role_gone", role, now.UTC().Truncate(time.Hour).Format(time.RFC3339)),
		Kind: job.NoticeStageGone, At: now.UTC(), Summary: fmt.Sprintf("no process does the work of the role %s", role),
	}
}
