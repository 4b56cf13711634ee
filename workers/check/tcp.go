package check

import (
	"context"

	"vedette/pipeline/job"
)

// tcp opens a connection and closes it. Up means that it was opened.
func (c *Checker) tcp(ctx context.Context, spec job.Spec) (job.Outcome, Facts) {
	var t timing
	conn, err := c.dial(ctx, spec.TCP.Address, &t)
	outcome := job.Outcome{Health: job.Up}
	if err != nil {
		outcome = failure(ctx, err, &t, timeoutOf(spec))
		t.write(&outcome)
		return outcome, nil
	}
	hangUp(conn)
	t.write(&outcome)
	return outcome, Facts{}
}
