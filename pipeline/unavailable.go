package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/supervise"
)

// defaultPatience covers several elections: one takes about 5 s, and on a busy
// machine 12 s were seen.
const defaultPatience = 30 * time.Second

const (
	// tryTimeout bounds one try; a dead leader takes up to 5 s to be replaced, and
	// the next try finds the new one.
	tryTimeout = 2 * time.Second
	// maxRetryPause is the longest pause between two tries.
	maxRetryPause = time.Second
)

// RetryUnavailable repeats do while the cluster does not answer or elects a
// leader, for at most [Config.Patience]; what names it in the log, as "apply
// definitions". Other errors are returned at once, as is every error once ctx
// has ended. It must be safe to repeat do after it succeeded in part.
func (p *Pipeline) RetryUnavailable(ctx context.Context, what string, do func(context.Context) error) error {
	return p.retryPatiently(ctx, what, transient, do)
}

// retryPatiently retries errors that pass, until the first is older than the
// patience.
func (p *Pipeline) retryPatiently(ctx context.Context, what string, passes func(error) bool, do func(context.Context) error) error {
	var since time.Time
	err := retry(ctx, do, func(err error) bool {
		if !passes(err) {
			return false
		}
		if since.IsZero() {
			since = time.Now()
			p.log.WarnContext(ctx, "cluster does not answer or has no leader; retrying", "task", what, "for", p.config.Patience, "error", err)
		}
		return time.Since(since) <= p.config.Patience
	})
	if err != nil && ctx.Err() == nil && passes(err) {
		return fmt.Errorf("waited %s for the cluster to answer or elect a leader: %w", p.config.Patience, err)
	}
	return err
}

// Retry repeats do while the server does not answer, until ctx ends. Each try is
// limited to two seconds.
func Retry(ctx context.Context, do func(context.Context) error) error {
	return retry(ctx, limited(do), transient)
}

// retry repeats do as long as again accepts its error and ctx lasts.
func retry(ctx context.Context, do func(context.Context) error, again func(error) bool) error {
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(10*time.Millisecond), backoff.WithMaxInterval(maxRetryPause), backoff.WithMaxElapsedTime(0))
	for {
		err := do(ctx)
		if err == nil || ctx.Err() == nil && !again(err) {
			return err
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// limited bounds one try.
func limited(do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		return do(ctx)
	}
}

// stillInProcess is the server's code for a message whose id it has seen, but
// on which its cluster has not agreed: the message may yet be lost with its
// leader, so the code does not mean that it is stored.
const stillInProcess = 10158

// transient reports whether an error may pass without a change: the server did
// not answer, or the cluster elects a leader.
func transient(err error) bool {
	for _, passing := range []error{
		nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse, context.DeadlineExceeded,
		nats.ErrDisconnected, nats.ErrConnectionReconnecting, jetstream.ErrTooManyStalledMsgs, jetstream.ErrAsyncPublishTimeout,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code == 503 || api.ErrorCode == stillInProcess
	}
	// The library watches buckets through its older half, which has its own errors.
	watch, ok := errors.AsType[*nats.APIError](err)
	return ok && watch.Code == 503
}

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
