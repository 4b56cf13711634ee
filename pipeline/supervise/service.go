// Package supervise keeps services running, as Erlang/OTP's supervisors do: it
// starts them in order, starts again what fails, by a strategy, gives up when
// failures come too fast, and stops them in reverse order.
//
// Where Go or practice ask for it, it does more than OTP, or otherwise:
//
//   - It waits before it starts a failed child again, longer each time, and
//     nobody else waits for that. OTP starts again at once, so that a child
//     that cannot start uses up a supervisor's whole intensity in milliseconds.
//   - It waits for no child. Commands are answered at once while children
//     start, stop or hang, even when a child gives them.
//   - A goroutine cannot be killed. A child that ignores the end of its context
//     is reported as stuck, with the place where it hangs, and a policy says
//     what then: see [OnStuck]. So there is no brutal_kill.
//   - When failures come too fast, a child can be parked instead of ending the
//     supervisor: see [OnBreach].
//   - A child that an operator disabled stays down through group restarts and
//     restarts of its supervisor; one that was merely stopped is started again
//     with its group, as in OTP.
package supervise

import (
	"context"
	"errors"
)

// Service is something that runs until it is told to stop.
//
// Serve must return soon after its context ends, having stopped everything it
// started and given back everything it holds. It is called again after it
// returned, so it must not rely on being the first call; it is never called
// again before it returned, except under [StuckReplace]. It may run as long as
// it likes, and it should tell by [Ready] when it has begun to do its work, if
// its [Child] has a StartTimeout. It must not wait for its own supervisor to
// stop it or another child; asking for it is allowed.
//
// How it returns says what it means:
//
//   - nil or [ErrShutdown]: it came to a normal end.
//   - anything else: it failed. That includes a context's error while its own
//     context had not ended: some operation of its own timed out, and nobody
//     asked it to stop.
//   - a panic or [runtime.Goexit], also in a deferred function: it failed, and
//     the stack is kept.
//
// After its context has ended, every way of returning is a stop; one that is
// not nil, ErrShutdown or a context's error is reported all the same.
type Service interface {
	Serve(ctx context.Context) error
}

// ServiceFunc is a function that is a service.
type ServiceFunc func(ctx context.Context) error

// Serve calls the function.
func (f ServiceFunc) Serve(ctx context.Context) error { return f(ctx) }

// ErrShutdown is returned by a service that came to a normal end and wants to
// say so.
var ErrShutdown = errors.New("shutdown")

// ErrUnavailable is wrapped by the error of a service that could not go on
// because something outside was away that it needs, such as a server. It is
// started again after its back-off as often as it takes, and that counts as
// nobody's failure: neither against an intensity nor as a first start that
// failed.
var ErrUnavailable = errors.New("what the service needs is away")

// ErrFenced is returned by [Fenced] when a service was given up as stuck.
var ErrFenced = errors.New("service was given up as stuck")

// lifeKey is where a child's context holds the life that it belongs to.
type lifeKey struct{}

// Ready tells the supervisor that the service whose context this is has
// started and does its work. It does nothing outside a supervisor, or the
// second time.
func Ready(ctx context.Context) {
	if l, ok := ctx.Value(lifeKey{}).(*life); ok {
		l.supervisor.becameReady(l)
	}
}

// Fenced returns [ErrFenced] once the service whose context this is was given
// up as stuck, and perhaps replaced by another. A service that did not notice
// in time that its context has ended asks before each act that must not happen
// twice. It returns nil outside a supervisor.
func Fenced(ctx context.Context) error {
	if l, ok := ctx.Value(lifeKey{}).(*life); ok && l.left.Load() {
		return ErrFenced
	}
	return nil
}
