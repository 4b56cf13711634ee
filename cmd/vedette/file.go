package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/pipeline/job"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers/check"
	"vedette/workers/mail"
	"vedette/workers/notify"
)

// loadFile reads a monitor file, and says its warnings. A file with mistakes
// is an error that exits with 2, after every mistake was shown.
func loadFile(path string, stderr io.Writer) (*monitor.File, error) {
	validator, err := check.NewValidator()
	if err != nil {
		return nil, err
	}
	file, err := monitor.Load(path, monitor.Options{
		Encode: true, Progress: reading(stderr, path, time.Now),
		CheckSpec: specProblems(validator), CheckTemplate: checkTemplate,
		CheckDKIMKey: func(text string) error { _, err := mail.ParseDKIMKey([]byte(text)); return err },
		CheckTarget: func(target string) error {
			_, err := check.ParseTarget(target)
			return err
		},
	})
	if invalidFile, ok := errors.AsType[*monitor.InvalidError](err); ok {
		return nil, invalid(invalidFile)
	}
	if err != nil {
		return nil, invalid(err)
	}
	for _, warning := range file.Warnings {
		say(stderr, "warning: %s\n", warning)
	}
	return file, nil
}

func definitions(file *monitor.File) producer.Definitions {
	return producer.Definitions{
		Encoded: file.Encoded, Recipients: file.Recipients,
		Settings: job.Settings{V: job.Version, Operators: file.Operators, Grouping: file.Notifications.Grouping, Maintenance: file.Maintenance},
	}
}

// checkTemplate tries a template of mails, before any is written with it.
func checkTemplate(kind, text string) error {
	templates := notify.Templates{Text: text}
	if kind == "html" {
		templates = notify.Templates{HTML: text}
	}
	_, err := notify.NewWords(templates)
	return err
}

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE",
		Short: "Find the mistakes in a monitor file",
		Long: `Reads a monitor file and shows every mistake in it: file, line, column, what
was found and what was expected. Nothing is contacted and nothing changed.
Exits with 0 when the file is good, with 2 when it is not.`,
		Example: "  vedette validate monitors.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := loadFile(args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is good: %s, %s\n", args[0],
				count(file.Count(), "monitor"), count(len(file.Recipients), "recipient"))
			return err
		},
	}
}

func applyCommand() *cobra.Command {
	var where instance
	var dry bool
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Give a running instance the monitors of a file",
		Long: `Makes the monitors and recipients of a running instance those of the file, by
difference: the others are not disturbed. A file with mistakes changes nothing.
The sections mail and server belong to the process: they are read by
'vedette run' alone.`,
		Example: `  vedette apply monitors.yaml
  vedette apply --dry-run monitors.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := loadFile(args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			p, err := where.connect(cmd.Context())
			if err != nil {
				return err
			}
			how := progress(cmd.ErrOrStderr(), time.Now)
			how.Dry = dry
			change, err := producer.ApplyWith(cmd.Context(), p, definitions(file), how)
			if err := closing(p, err); err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), changeLines(change, dry))
			return err
		},
	}
	where.flags(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would change, and change nothing")
	return cmd
}

// closing closes a connection at the end of a command, and joins both errors.
func closing(c interface{ Close() error }, err error) error { return errors.Join(err, c.Close()) }

// changeLines tells people of a change: a line each while they are few.
func changeLines(c producer.Change, dry bool) string {
	var b strings.Builder
	for _, part := range []struct {
		sign  string
		names []string
	}{{"+", c.Added}, {"~", c.Changed}, {"-", c.Removed}} {
		for i, name := range part.names {
			if i == maxChangeLines {
				fmt.Fprintf(&b, "%s … and %d more\n", part.sign, len(part.names)-i)
				break
			}
			fmt.Fprintf(&b, "%s %s\n", part.sign, name)
		}
	}
	verb := "applied"
	if dry {
		verb = "would apply"
	}
	fmt.Fprintf(&b, "%s: %d added, %d changed, %d removed, %d unchanged\n",
		verb, len(c.Added), len(c.Changed), len(c.Removed), c.Same)
	return b.String()
}

const maxChangeLines = 20

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// specProblems lets the file's reader know of mistakes that only those can tell
// who make the checks.
func specProblems(validator *check.Validator) func(job.Spec) []monitor.SpecProblem {
	return func(spec job.Spec) []monitor.SpecProblem {
		var problems []monitor.SpecProblem
		for _, p := range validator.Validate(spec) {
			problems = append(problems, monitor.SpecProblem(p))
		}
		return problems
	}
}
