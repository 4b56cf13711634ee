package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// CheckSubcommand refuses an unknown subcommand, and suggests a similar one.
func CheckSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("find command: found %q, expected one in '%s --help'", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		return InputError(&HintError{Err: err, Hint: fmt.Sprintf("did you mean %q?", meant[0])})
	}
	return UsageError(cmd, err)
}

// UsageError makes a mistake on the command line exit with [ExitUsage]. Its
// hint is the command's help, unless a better one is known.
func UsageError(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{Code: ExitUsage, Err: err, Hint: "see '" + cmd.CommandPath() + " --help'"}
}

// ArgumentError describes a wrong number of arguments.
func ArgumentError(cmd *cobra.Command, args []string) error {
	found := "none"
	if len(args) > 0 {
		found = strings.Trim(fmt.Sprintf("%q", args), "[]")
	}
	return UsageError(cmd, fmt.Errorf("read arguments: found %s, expected %s", found, operands(cmd.Use)))
}

// operands returns the arguments in a usage line, without flags and their values.
func operands(usage string) string {
	var names []string
	isValue := false
	for _, word := range strings.Fields(usage)[1:] {
		isFlag := strings.HasPrefix(strings.TrimPrefix(word, "["), "--")
		if !isFlag && !isValue {
			names = append(names, word)
		}
		isValue = isFlag
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// FlagError describes a flag that cannot be read.
func FlagError(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() { // the flag may be that of an unknown subcommand
		if err := CheckSubcommand(cmd, cmd.Flags().Args()); err != nil {
			return err
		}
	}
	return UsageError(cmd, flagProblem(err))
}

func flagProblem(err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := "--" + e.GetSpecifiedName()
		if e.GetSpecifiedShortnames() != "" {
			name = "-" + e.GetSpecifiedName()
		}
		return fmt.Errorf("read flags: found %s, expected a flag of this command", name)
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return fmt.Errorf("read --%s: found no value, expected %s", e.GetFlag().Name, valueKind(e.GetFlag()))
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("read --%s: found %q, expected %s", e.GetFlag().Name, e.GetValue(), valueKind(e.GetFlag()))
	}
	if e, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return fmt.Errorf("read flags: found %q, expected --name or --name=value", e.GetSpecifiedFlag())
	}
	return fmt.Errorf("read flags: %w", err)
}

// valueKind describes the values of a flag.
func valueKind(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "duration":
		return "a duration such as 1m30s"
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	default:
		return "a value"
	}
}
