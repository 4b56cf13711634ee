package workers

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"

	"vedette/pipeline"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// shared is what the parts of all branches have in common.
type shared struct {
	p      *pipeline.Pipeline
	log    *slog.Logger
	pools  *poolSet
	base   pool.Config // what all pools of the process share
	events func(supervise.Event)
	grace  time.Duration // how long a branch may take to stop
}

// maxRestartPause bounds the back-off of a part, so that work goes on within
// seconds after the server is back.
const maxRestartPause = 3 * time.Second

// child is a supervised part of a branch. It takes its time to start while the
// server is away, and it may run beside an earlier life of itself that got
// stuck: any number of processes do the same work side by side, and what they
// may not both do is settled by the server.
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

// pool is the part that serves a pool. It is configured when it starts, from
// what the parts before it have made.
func (s *shared) pool(consumer topology.Consumer, configure func() pool.Config) supervise.Child {
	return s.child(consumer.Name, func(ctx context.Context) error {
		config := configure()
		config.Consumer = consumer
		workers, err := s.pools.add(s.p, config)
		if err != nil {
			return err
		}
		defer s.pools.remove(workers)
		return workers.Serve(ctx)
	})
}

// branch makes the supervisor of a stage. First comes what the work stands on,
// so that is restarted with it; the parts of the work, most of them pools, do
// not need one another, and stop side by side.
//
//	<stage>            rest_for_one
//	├── <foundation>…
//	└── parts          dynamic
//	    └── <part>…
func (s *shared) branch(stage string, foundation, work []supervise.Child) (supervise.Child, error) {
	side, err := supervise.New(supervise.Spec{
		Name: stage + "/parts", Strategy: supervise.Dynamic, Shutdown: s.grace, Children: work, Events: s.events, Logger: s.log,
	})
	if err != nil {
		return supervise.Child{}, err
	}
	whole, err := supervise.New(supervise.Spec{
		Name: stage, Strategy: supervise.RestForOne, Events: s.events, Logger: s.log,
		Children: append(foundation, supervise.Child{Name: "parts", Service: side, Backoff: restartBackoff}),
	})
	if err != nil {
		return supervise.Child{}, err
	}
	return supervise.Child{Name: stage, Service: whole, Backoff: restartBackoff}, nil
}

// poll is a part that looks after something each period until ctx ends, but not
// while the server was away within the time given. A look that fails is made
// again at the next turn.
func (s *shared) poll(ctx context.Context, period, away time.Duration, what string, look func(context.Context, time.Time) error) error {
	supervise.Ready(ctx)
	turn := time.NewTicker(period)
	defer turn.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-turn.C:
			if s.p.Away(away) {
				continue
			}
			if err := look(ctx, now); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "look; the next turn tries again", "for", what, "error", err)
			}
		}
	}
}
