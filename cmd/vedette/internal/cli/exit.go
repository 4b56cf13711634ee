// Package cli has what the commands share: exit codes, hints, flags, the
// monitor file and the connection to a running installation.
package cli

import (
	"fmt"
	// Monitors may use any IANA zone, also on machines without a zone database.
	_ "time/tzdata"
)

// Exit codes, the same for all commands: see 'vedette help exit-codes'.
const (
	ExitOK     = 0
	ExitFound  = 1 // the command did its work: something is down or was found
	ExitUsage  = 2 // the command line or the file is wrong; nothing was tried
	ExitFailed = 3 // the command could not do its work
)

// ErrFound makes a command exit with [ExitFound], without a message: its output
// shows what was found.
var ErrFound error = &ExitError{Code: ExitFound}

// ExitError is an error with an exit code. A nil Err prints no message.
type ExitError struct {
	Code int
	Err  error
	// Hint is printed when no better one is known.
	Hint string
}

// Error returns the message.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the error without the code.
func (e *ExitError) Unwrap() error { return e.Err }

// InputError makes a command exit with [ExitUsage].
func InputError(err error) error { return &ExitError{Code: ExitUsage, Err: err} }

// HintError is an error with a hint for a solution.
type HintError struct {
	Err  error
	Hint string
}

// Error returns the message without the hint.
func (e *HintError) Error() string { return e.Err.Error() }

// Unwrap returns the error without the hint.
func (e *HintError) Unwrap() error { return e.Err }
