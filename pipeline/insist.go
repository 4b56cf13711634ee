package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// defaultPatience is time for several elections: one takes about 5 s, and on a
// busy machine 12 s were seen.
const defaultPatience = 30 * time.Second

// RetryUnavailable does something again as long as the cluster does not answer or chooses a
// leader, until [Config.Patience] has passed since; what names it in the log, as
// "apply definitions". Whatever does not pass by itself is returned at once, and
// so is every error once ctx has ended. It must be safe to do again what was done
// in part.
func (p *Pipeline) RetryUnavailable(ctx context.Context, what string, do func(context.Context) error) error {
	return p.retryUnavailable(ctx, what, transient, do)
}

func (p *Pipeline) retryUnavailable(ctx context.Context, what string, passing func(error) bool, do func(context.Context) error) error {
	curve := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(10*time.Millisecond), backoff.WithMaxInterval(retryPause), backoff.WithMaxElapsedTime(0))
	var since time.Time
	for {
		err := do(ctx)
		switch {
		case err == nil, ctx.Err() != nil, !passing(err):
			return err
		case since.IsZero():
			since = time.Now()
			p.log.WarnContext(ctx, "wait for the cluster to answer, or to choose a leader", "to", what, "for", p.config.Patience, "error", err)
		case time.Since(since) > p.config.Patience:
			return fmt.Errorf("waited %s for the cluster to answer, or to choose a leader: %w", p.config.Patience, err)
		default:
		}
		select {
		case <-time.After(curve.NextBackOff()):
		case <-ctx.Done():
			return err
		}
	}
}

// limited bounds one try of what asks the server a single question.
func limited(do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		return do(ctx)
	}
}
