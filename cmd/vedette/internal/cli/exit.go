// Package cli is what the subcommands share: exit codes, hints, flags, the
// monitor file and the connection to a running installation.
package cli

import (
	"fmt"
	"io"

	// Monitors may name any IANA zone, on machines without a zone database too.
	_ "time/tzdata"
)

// Exit codes, the same for every subcommand.
const (
	ExitOK      = 0
	ExitFound    = 1 // check: something is down
	ExitFailed  = 1 // any other command: it could not do what it should
	ExitUsage = 2 // the input or the command line is wrong; nothing was tried
	ExitGaveUp  = 3 // run: the supervision tree gave up
)

// Writef tells people something beside a command's output. That nobody may be
// readProgress any more must not stop the command.
func Writef(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }

// ExitError carries an exit code out of a subcommand. A nil err means that
// everything was already said.
type ExitError struct {
	Code int
	Err  error
}

// Error is the message of what went wrong.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns what went wrong.
func (e *ExitError) Unwrap() error { return e.Err }

// InputError makes an error exit with [].
func InputError(err error) error { return &ExitError{Code: ExitUsage, Err: err} }
