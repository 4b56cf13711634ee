// Package supervise keeps services running, as Erlang/OTP's supervisors do: it
// starts them in order, starts again what fails, by a strategy, gives up when
// failures come too fast, and stops them in reverse order.
//
// Unlike OTP it waits before it starts a failed child again, longer each time,
// without anybody else waiting for that.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Service is something that runs until it is told to stop.
//
// Serve must return soon after its context ends, having stopped everything it
// started; it is called again after it returned, so it must not rely on being
// the first call. How it returns says what it means:
//
//   - nil or [ErrShutdown]: it came to a normal end.
//   - anything else: it failed. That includes a context's error while its own
//     context had not ended: some operation of its own timed out, and nobody
//     asked it to stop.
//   - a panic or [runtime.Goexit]: it failed, and the stack is kept.
//
// After its context has ended, every way of returning is a stop.
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

// Class is how a service ended.
type Class string

// The classes.
const (
	ClassNormal Class = "normal" // nil or ErrShutdown
	ClassError  Class = "error"
	ClassPanic  Class = "panic"
	ClassGoexit Class = "goexit"
	ClassStuck  Class = "stuck" // it did not return in its shutdown time
)

// PanicError is a panic or a Goexit of a service.
type PanicError struct {
	Value any // nil for Goexit
	Stack []byte
}

// Error tells a panic from a Goexit; the stack is not part of it.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "service called runtime.Goexit"
	}
	return fmt.Sprintf("service panicked: %v", e.Value)
}

// classify tells how a service ended.
func classify(err error) Class {
	panicked, ok := errors.AsType[*PanicError](err)
	switch {
	case err == nil, errors.Is(err, ErrShutdown):
		return ClassNormal
	case ok && panicked.Value == nil:
		return ClassGoexit
	case ok:
		return ClassPanic
	default:
		return ClassError
	}
}

// call runs a service, and hands over how it ended, even by a Goexit.
func call(ctx context.Context, service Service, ended func(error)) {
	var err error
	returned := false
	defer func() {
		if !returned { // a deferred call sees a panic and a Goexit alike; only a panic has a value
			err = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
		ended(err)
	}()
	err = service.Serve(ctx)
	returned = true
}

// readyKey is where a child's context holds the function that Ready calls.
type readyKey struct{}

// Ready tells the supervisor that the service whose context this is has
// started and does its work. It does nothing outside a supervisor, or the
// second time.
func Ready(ctx context.Context) {
	if ready, ok := ctx.Value(readyKey{}).(func()); ok {
		ready()
	}
}
