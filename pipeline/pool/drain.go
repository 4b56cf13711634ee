package pool

import (
	"context"
	"fmt"
	"time"
)

// drain gives running jobs half of the grace to finish, then interrupts them, and
// abandons the ones that do not end within the other half. hurry ends the
// settling of finished jobs, in case the server does not answer.
func (r *run) drain(ctx context.Context, hurry context.CancelFunc) error {
	beat := time.NewTicker(r.config.AckWait / 3)
	defer beat.Stop()
	patience := time.NewTimer(r.config.Grace / 2)
	defer patience.Stop()
	interrupted := false
	for len(r.tasks) > 0 {
		select {
		case t := <-r.ended:
			r.finish(ctx, t)
		case now := <-beat.C:
			r.renew(ctx, now)
		case <-patience.C:
			if interrupted {
				return r.abandon(ctx, hurry)
			}
			interrupted = true
			for t := range r.tasks {
				t.interrupt()
			}
			patience.Reset(r.config.Grace / 2)
		}
	}
	r.awaitSettled(hurry)
	return nil
}

// awaitSettled waits until every job is settled, at most half of the grace. A job
// that is not settled by then runs again elsewhere.
func (r *run) awaitSettled(hurry context.CancelFunc) {
	late := time.AfterFunc(r.config.Grace/2, hurry)
	defer late.Stop()
	r.settling.Wait()
}

// abandon gives up on handlers that do not return.
func (r *run) abandon(ctx context.Context, hurry context.CancelFunc) error {
	stuck := 0
	for t := range r.tasks {
		if t.take() {
			stuck++
			r.stuck.Add(1)
			r.reportStuck(ctx, t)
		}
		r.remove(t)
	}
	r.awaitSettled(hurry)
	if stuck == 0 {
		return nil
	}
	return fmt.Errorf("stop pool %s: %w: %d", r.config.Consumer.Name, ErrStuck, stuck)
}
