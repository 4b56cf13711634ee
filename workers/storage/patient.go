package storage

import (
	"context"
	"fmt"
	"time"

	"vedette/pipeline/job"
)

// stallTimeout is how long a check of the disk may take.
const stallTimeout = 5 * time.Second

// patient runs a check that blocks as long as the disk does. While one is blocked
// it starts no other one, and returns an error.
type patient struct {
	began time.Time
	ended chan error // nil while no check runs
}

func (p *patient) run(ctx context.Context, check func() error) error {
	if p.ended == nil {
		ended := make(chan error, 1)
		p.began, p.ended = time.Now(), ended
		go func() { ended <- check() }()
	}
	select {
	case err := <-p.ended: // before a timer that has expired too
		p.ended = nil
		return err
	default:
	}
	timer := time.NewTimer(max(0, stallTimeout-time.Since(p.began)))
	defer timer.Stop()
	select {
	case err := <-p.ended:
		p.ended = nil
		return err
	case <-ctx.Done():
		return nil
	case <-timer.C:
		return &job.ConditionError{
			Reason: job.FaultDiskStalled, Err: context.DeadlineExceeded,
			Detail: fmt.Sprintf("the disk with the data directory has not answered for %s", time.Since(p.began).Round(time.Second)),
		}
	}
}
