package supervise

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Class is the way a service ended.
type Class string

// The classes.
const (
	ClassNormal  Class = "normal"  // nil or ErrShutdown; or a context error, after a request to stop
	ClassError   Class = "error"   // any other error
	ClassPanic   Class = "panic"   // a panic, with its stack
	ClassGoexit  Class = "goexit"  // runtime.Goexit, with its stack
	ClassTimeout Class = "timeout" // not ready within the start timeout
	ClassStuck   Class = "stuck"   // did not return within the shutdown time
	// ClassUnavailable: an external dependency was away, see [ErrUnavailable].
	ClassUnavailable Class = "unavailable"
)

// PanicError is a panic or a Goexit in a service.
type PanicError struct {
	Value any // nil for Goexit
	Stack []byte
}

// Error describes the panic or Goexit, without the stack.
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

// TimeoutError reports that a service was not ready in time.
type TimeoutError struct {
	After time.Duration
	// Err is the service's error once it was asked to stop, nil after a normal
	// end.
	Err error
}

// Error includes the timeout.
func (e *TimeoutError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("service was not ready within %s: %v", e.After, e.Err)
	}
	return fmt.Sprintf("service was not ready within %s", e.After)
}

// Unwrap returns the service's error.
func (e *TimeoutError) Unwrap() error { return e.Err }

// BreachError is returned by [Supervisor.Serve] when failures were too
// frequent. It wraps the last failure, and is one failure for the parent.
type BreachError struct {
	Supervisor, Child string
	Class             Class
	Err               error
}

// Error describes the last failure.
func (e *BreachError) Error() string {
	return fmt.Sprintf("supervisor %s gave up: too many restarts, the last for child %s (%s): %v", e.Supervisor, e.Child, e.Class, e.Err)
}

// Unwrap returns the last failure.
func (e *BreachError) Unwrap() error { return e.Err }

// StartError is returned by [Supervisor.Serve] and [Supervisor.Start] when a
// child failed during the first start, before the supervisor was ready, under
// [BreachEscalate]. All children that had started are stopped.
type StartError struct {
	Supervisor, Child string
	Class             Class
	Err               error
}

// Error names the child and the cause.
func (e *StartError) Error() string {
	return fmt.Sprintf("start supervisor %s: child %s did not start (%s): %v", e.Supervisor, e.Child, e.Class, e.Err)
}

// Unwrap returns the failure.
func (e *StartError) Unwrap() error { return e.Err }

// StuckError is returned by [Supervisor.Serve] when children did not return
// within their shutdown time; their goroutines still exist.
type StuckError struct {
	Supervisor string
	// Children are the names, for nested children as "inner/child".
	Children []string
}

// Error names the children.
func (e *StuckError) Error() string {
	return fmt.Sprintf("stop supervisor %s: children did not return: %s", e.Supervisor, strings.Join(e.Children, ", "))
}

// classify returns the class for a service's result; requested says that the
// service was asked to stop.
func classify(err error, requested bool) Class {
	panicked, isPanic := errors.AsType[*PanicError](err)
	switch {
	case err == nil:
		return ClassNormal
	case escalated(err): // one failure here, whatever happened further down
		return ClassError
	case isPanic && panicked.Value == nil:
		return ClassGoexit
	case isPanic:
		return ClassPanic
	case errors.Is(err, ErrShutdown):
		return ClassNormal
	case stuckChildren(err) != nil:
		return ClassStuck
	case requested && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return ClassNormal
	case errors.Is(err, ErrUnavailable):
		return ClassUnavailable
	default:
		return ClassError
	}
}

// escalated reports whether an error comes from a supervisor that gave up.
func escalated(err error) bool {
	_, breach := errors.AsType[*BreachError](err)
	_, start := errors.AsType[*StartError](err)
	return breach || start
}

// stuckChildren returns the names of children that a supervisor abandoned.
func stuckChildren(err error) []string {
	if stuck, ok := errors.AsType[*StuckError](err); ok {
		return stuck.Children
	}
	return nil
}
