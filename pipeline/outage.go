package pipeline

import (
	"context"
	"fmt"
	"time"

	"vedette/pipeline/supervise"
)

// recently is how long after the server was away an error may be due to that:
// requests that were under way then take this long to fail.
const recently = 15 * time.Second

// TolerateOutage makes a service for which a server that is away, or a cluster that does
// not answer since it has no leader at the moment, is no failure: what it
// returns then wraps [supervise.ErrUnavailable], so that its supervisor starts
// it again for as long as it takes, and counts nothing. Most services need it
// only to start: once they run, they wait for the server themselves.
func (p *Pipeline) TolerateOutage(service supervise.Service) supervise.Service {
	return supervise.ServiceFunc(func(ctx context.Context) error {
		err := service.Serve(ctx)
		if err != nil && ctx.Err() == nil && (p.Away(recently) || transient(err)) {
			return fmt.Errorf("%w: %w", supervise.ErrUnavailable, err)
		}
		return err
	})
}
