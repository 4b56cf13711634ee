package workers

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"

	"vedette/pipeline"
	"vedette/pipeline/supervise"
)

// parts is what the parts of all branches have in common.
type parts struct {
	p      *pipeline.Pipeline
	log    *slog.Logger
	pools  *poolSet
	base   pipeline.PoolConfig // what all pools of the process share
	events func(supervise.Event)
	grace  time.Duration // how long a branch may take to stop
}

// longestPause bounds the back-off of a part, so that work goes on within
// seconds after the server is back.
const longestPause = 3 * time.Second

// part is a supervised part of a branch. It takes its time to start while the
// server is away, and it may run beside an earlier life of itself that got
// stuck: any number of processes do the same work side by side, and what they
// may not both do is settled by the server.
func (p *parts) part(name string, serve func(context.Context) error) supervise.Child {
	return supervise.Child{
		Name: name, StartTimeout: supervise.NoLimit, Shutdown: p.grace, OnStuck: supervise.StuckReplace, Backoff: shortBackoff,
		Service: p.p.TolerateOutage(supervise.ServiceFunc(serve)),
	}
}

func shortBackoff() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMultiplier(2), backoff.WithMaxInterval(longestPause), backoff.WithMaxElapsedTime(0))
}

// pool is the part that serves a pool. It is configured when it starts, from
// what the parts before it have made.
func (p *parts) pool(name string, configure func() pipeline.PoolConfig) supervise.Child {
	return p.part(name, func(ctx context.Context) error {
		config := configure()
		config.Name = name
		pool, err := p.pools.make(p.p, config)
		if err != nil {
			return err
		}
		defer p.pools.remove(pool)
		return pool.Serve(ctx)
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
func (p *parts) branch(stage string, foundation, work []supervise.Child) (supervise.Child, error) {
	side, err := supervise.New(supervise.Spec{
		Name: stage + "/parts", Strategy: supervise.Dynamic, Shutdown: p.grace, Children: work, Events: p.events, Logger: p.log,
	})
	if err != nil {
		return supervise.Child{}, err
	}
	whole, err := supervise.New(supervise.Spec{
		Name: stage, Strategy: supervise.RestForOne, Events: p.events, Logger: p.log,
		Children: append(foundation, supervise.Child{Name: "parts", Service: side, Backoff: shortBackoff}),
	})
	if err != nil {
		return supervise.Child{}, err
	}
	return supervise.Child{Name: stage, Service: whole, Backoff: shortBackoff}, nil
}

// every is a part that looks after something each period until ctx ends, but not
// while the server was away within the time given. A look that fails is made
// again at the next turn.
func (p *parts) every(ctx context.Context, period, away time.Duration, what string, look func(context.Context, time.Time) error) error {
	supervise.Ready(ctx)
	turn := time.NewTicker(period)
	defer turn.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-turn.C:
			if p.p.Away(away) {
				continue
			}
			if err := look(ctx, now); err != nil && ctx.Err() == nil {
				p.log.WarnContext(ctx, "look; the next turn tries again", "for", what, "error", err)
			}
		}
	}
}
