package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// CheckSubcommand refuses what is no subcommand, and says which was meant.
func CheckSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("run %s: found unknown command %q", cmd.Name(), args[0])
	cmd.SuggestionsMinimumDistance = 2
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		return InputError(&HintError{Err: err, Hint: fmt.Sprintf("did you mean %q?", meant[0])})
	}
	return UsageError(cmd, err)
}

// UsageError makes a mistake on the command line exit with 2, and says where
// the right use can be read.
func UsageError(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return InputError(&HintError{Err: err, Hint: "see '" + cmd.CommandPath() + " --help'"})
}

// HintError is an error with a way out.
type HintError struct {
	Err  error
	Hint string
}

// Error is the message without the hint.
func (e *HintError) Error() string { return e.Err.Error() }

// Unwrap returns the error without the hint.
func (e *HintError) Unwrap() error { return e.Err }
