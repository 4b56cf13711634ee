package supervise

import (
	"context"
	"errors"
)

// Service is a task that runs until its context ends.
//
// Serve must return soon after its context ends, having stopped everything it
// started and released everything it holds. A supervisor calls Serve again
// after it returned, so Serve must not rely on being the first call; calls
// never overlap, except under [StuckReplace]. Serve may run indefinitely. If
// its [Child] has a StartTimeout, it reports by [Ready] that it is at work. It
// must not wait for its own supervisor to stop it or another child; issuing
// the command is allowed.
//
// The return value has a meaning:
//
//   - nil or [ErrShutdown]: a normal end.
//   - any other error: a failure. That includes a context error while the
//     service's own context is still active: one of its operations timed out.
//   - a panic or [runtime.Goexit], also in a deferred function: a failure, with
//     its stack.
//
// After its context has ended, any return counts as a stop. An error other
// than ErrShutdown or a context error is reported nevertheless.
type Service interface {
	Serve(ctx context.Context) error
}

// ServiceFunc is a function used as a service.
type ServiceFunc func(ctx context.Context) error

// Serve calls the function.
func (f ServiceFunc) Serve(ctx context.Context) error { return f(ctx) }

// ErrShutdown is returned by a service to declare a normal end.
var ErrShutdown = errors.New("shutdown")

// ErrUnavailable is wrapped by the error of a service that cannot continue
// because an external dependency, such as a server, is away. The supervisor
// restarts the service after its back-off, as often as needed, and counts no
// failure: neither against an intensity nor as a failed first start.
var ErrUnavailable = errors.New("dependency unavailable")

// ErrFenced is returned by [Fenced] after a service was abandoned as stuck.
var ErrFenced = errors.New("service was abandoned as stuck")

// incarnationKey is the context key for a child's incarnation.
type incarnationKey struct{}

// Ready reports to the supervisor that the service with this context has
// started and is at work. Outside a supervisor, and after the first call, it
// does nothing.
func Ready(ctx context.Context) {
	if i, ok := ctx.Value(incarnationKey{}).(*incarnation); ok {
		i.supervisor.markReady(i)
	}
}

// Fenced returns [ErrFenced] once the service with this context was abandoned
// as stuck, and perhaps replaced. A service that may notice the end of its
// context late checks Fenced before each action that must not happen twice.
// Outside a supervisor, Fenced returns nil.
func Fenced(ctx context.Context) error {
	if i, ok := ctx.Value(incarnationKey{}).(*incarnation); ok && i.abandoned.Load() {
		return ErrFenced
	}
	return nil
}
