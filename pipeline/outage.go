package pipeline

import (
	"context"
	"fmt"
	"time"

	"vedette/pipeline/supervise"
)

// recently is how long an outage may cause errors after its end: pending requests
// take this long to fail.
const recently = 15 * time.Second

// TolerateOutage wraps a service so that errors caused by a lost connection or a
// missing leader do not count against its supervisor: they wrap
// [supervise.ErrUnavailable], after which the supervisor restarts the service for
// as long as it takes. Most services need it only to start; later they wait for
// the server.
func (p *Pipeline) TolerateOutage(service supervise.Service) supervise.Service {
	return supervise.ServiceFunc(func(ctx context.Context) error {
		err := service.Serve(ctx)
		if err != nil && ctx.Err() == nil && (p.Away(recently) || transient(err)) {
			return fmt.Errorf("%w: %w", supervise.ErrUnavailable, err)
		}
		return err
	})
}
