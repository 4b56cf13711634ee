package workers

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
)

// shared is what all stages in a process have in common.
type shared struct {
	p      *pipeline.Pipeline
	log    *slog.Logger
	pools  *poolSet
	base   pool.Config // the settings common to all pools
	events func(supervise.Event)
	grace  time.Duration // how long a stage may take to stop
}

// maxRestartPause bounds the back-off of a child, so that work resumes within
// seconds after the server is back.
const maxRestartPause = 3 * time.Second

// child describes a supervised service in a stage. Its start has no time limit,
// since the server may be away. A stuck incarnation is replaced: any number of
// processes do the same work in parallel, and the server resolves conflicts.
func (s *shared) child(name string, serve func(context.Context) error) supervise.Child {
	return supervise.Child{
		Name: name, StartTimeout: supervise.NoLimit, Shutdown: s.grace, OnStuck: supervise.StuckReplace, Backoff: restartBackoff,
		Service: s.p.TolerateOutage(supervise.ServiceFunc(serve)),
	}
}

func restartBackoff() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMultiplier(2), backoff.WithMaxInterval(maxRestartPause), backoff.WithMaxElapsedTime(0))
}

// notify stores a notice to the operators; a failure is logged.
func (s *shared) notify(ctx context.Context, notice job.Notice) {
	if err := s.p.Notify(ctx, notice); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "notice was not stored", "notice", notice.Summary, "error", err)
	}
}

// poll calls check once per period until ctx ends, except while the server is
// away or was away within the given time. An error is logged, and the next
// period tries again.
func (s *shared) poll(ctx context.Context, period, away time.Duration, subject string, check func(context.Context, time.Time) error) error {
	supervise.Ready(ctx)
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if s.p.Away(away) {
				continue
			}
			if err := check(ctx, now); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "periodic check failed; it is repeated", "subject", subject, "error", err)
			}
		}
	}
}
