package supervise

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class is how a service ended.
type Class string

// The classes.
const (
	ClassNormal  Class = "normal"  // nil or ErrShutdown; or a context's error, when it was told to stop
	ClassError   Class = "error"   // any other error
	ClassPanic   Class = "panic"   // a panic, with its stack
	ClassGoexit  Class = "goexit"  // runtime.Goexit, with its stack
	ClassTimeout Class = "timeout" // it was not ready within its start timeout
	ClassStuck   Class = "stuck"   // it did not return within its shutdown time
	// ClassUnavailable: something outside was away, see [ErrUnavailable].
	ClassUnavailable Class = "unavailable"
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

// Unwrap returns the panic's value if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// TimeoutError is a service's failure to become ready in time.
type TimeoutError struct {
	After time.Duration
	// Err is how the service returned when it was told to stop; nil if that was
	// as it should.
	Err error
}

// Error tells how long was waited.
func (e *TimeoutError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("service was not ready within %s: %v", e.After, e.Err)
	}
	return fmt.Sprintf("service was not ready within %s", e.After)
}

// Unwrap returns how the service returned.
func (e *TimeoutError) Unwrap() error { return e.Err }

// BreachError is returned by [Supervisor.Serve] when failures came too fast: it
// wraps the last failure, and is one failure for the supervisor above.
type BreachError struct {
	Supervisor, Child string
	Class             Class
	Err               error
}

// Error tells who failed last, and how.
func (e *BreachError) Error() string {
	return fmt.Sprintf("supervisor %s gave up: too many restarts, last of %s (%s): %v", e.Supervisor, e.Child, e.Class, e.Err)
}

// Unwrap returns the last failure.
func (e *BreachError) Unwrap() error { return e.Err }

// StartError is returned by [Supervisor.Serve] and [Supervisor.Start] when a
// child failed before it was ready at the first start, so that the supervisor
// never was, under [BreachEscalate]. What had been started is stopped.
type StartError struct {
	Supervisor, Child string
	Class             Class
	Err               error
}

// Error tells who did not start, and why.
func (e *StartError) Error() string {
	return fmt.Sprintf("start supervisor %s: child %s did not start (%s): %v", e.Supervisor, e.Child, e.Class, e.Err)
}

// Unwrap returns the failure.
func (e *StartError) Unwrap() error { return e.Err }

// StuckError is returned by [Supervisor.Serve] when children did not return in
// their shutdown time; their goroutines are still there.
type StuckError struct {
	Supervisor string
	// Children are their names, those further down as "inner/child".
	Children []string
}

// Error names the children.
func (e *StuckError) Error() string {
	return fmt.Sprintf("stop supervisor %s: children did not return: %s", e.Supervisor, strings.Join(e.Children, ", "))
}

// classify tells how a service ended; asked says that it was told to.
func classify(err error, asked bool) Class {
	panicked, isPanic := errors.AsType[*PanicError](err)
	switch {
	case err == nil:
		return ClassNormal
	case escalated(err): // whatever happened further down, here it is one failure
		return ClassError
	case isPanic && panicked.Value == nil:
		return ClassGoexit
	case isPanic:
		return ClassPanic
	case errors.Is(err, ErrShutdown):
		return ClassNormal
	case leftBehind(err) != nil:
		return ClassStuck
	case asked && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return ClassNormal
	case errors.Is(err, ErrUnavailable):
		return ClassUnavailable
	default:
		return ClassError
	}
}

// escalated tells whether an error is that of a supervisor that gave up.
func escalated(err error) bool {
	_, breach := errors.AsType[*BreachError](err)
	_, start := errors.AsType[*StartError](err)
	return breach || start
}

// leftBehind returns the names of the children that a supervisor left behind.
func leftBehind(err error) []string {
	if stuck, ok := errors.AsType[*StuckError](err); ok {
		return stuck.Children
	}
	return nil
}
