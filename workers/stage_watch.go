package workers

import (
	"context"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// StageSchedule is the role of processes that turn ticks into checks. The other
// roles are stages.
const StageSchedule = "schedule"

// roleWatch notices that no process lives which does a part of the work: then
// jobs wait in their stream, or, without a scheduler, nothing is checked and
// nobody notices, since it is the scheduler that records what was missed.
type roleWatch struct {
	*parts

	absent map[string]time.Time // by role, since when nobody is seen
}

const (
	// roleLook is how often the roles are looked through.
	roleLook = 10 * time.Second
	// rolePatience is how long nobody may be seen: processes are replaced.
	rolePatience = pipeline.LeaseTime + 10*time.Second
)

func (w *roleWatch) serve(ctx context.Context) error {
	w.absent = map[string]time.Time{}
	return w.every(ctx, roleLook, pipeline.LeaseTime, "processes of each role", w.look) // nobody renews a lease without a server
}

func (w *roleWatch) look(ctx context.Context, now time.Time) error {
	for _, role := range append(Stages(), StageSchedule) {
		serves, err := w.p.Serves(ctx, role, "")
		if err != nil {
			return err
		}
		since, known := w.absent[role]
		switch {
		case serves:
			delete(w.absent, role)
		case !known:
			w.absent[role] = now
		case now.Sub(since) >= rolePatience:
			if err := w.p.Notify(ctx, roleNotice(role, now)); err != nil {
				return err
			}
		}
	}
	return nil
}

// roleNotice tells of a role that nobody has, once an hour whoever notices.
func roleNotice(role string, now time.Time) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("role_gone", role, now.UTC().Truncate(time.Hour).Format(time.RFC3339)),
		Kind: job.NoticeStageGone, At: now.UTC(), Summary: fmt.Sprintf("no process does the work of the role %s", role),
	}
}
