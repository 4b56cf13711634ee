package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/workers"
)

func deadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List, show, replay and drop failed jobs",
		Long: `A job that cannot be done, or has failed for too long, becomes a dead letter: its
body byte for byte, with the stage, the reason, the last error, the attempts, the
times and the worker. A dead letter stays until it is replayed or dropped.`,
		Example: `  vedette dead list --stage mail
  vedette dead show 17
  vedette dead replay --reason given_up --dry-run
  vedette dead drop --older-than 720h`,
	}
	cmd.AddCommand(deadListCommand(), deadShowCommand(), deadReplayCommand(), deadDropCommand())
	return cmd
}

// deadFilter has the flags that select dead letters.
type deadFilter struct {
	where                cli.Instance
	stages, reasons      []string
	olderThan, newerThan time.Duration
}

func (f *deadFilter) flags(cmd *cobra.Command) {
	f.where.Flags(cmd)
	cmd.Flags().StringSliceVar(&f.stages, "stage", nil, "only from these stages: "+strings.Join(workers.Stages(), ", "))
	cmd.Flags().StringSliceVar(&f.reasons, "reason", nil, "only for these reasons: "+strings.Join(reasonNames(), ", "))
	cmd.Flags().DurationVar(&f.olderThan, "older-than", 0, "only if dead for longer than this, such as 24h")
	cmd.Flags().DurationVar(&f.newerThan, "newer-than", 0, "only if dead for less than this")
}

func reasonNames() []string {
	var names []string
	for _, reason := range job.Reasons() {
		names = append(names, string(reason))
	}
	return names
}

// isSet reports whether any of the flags selects.
func (f *deadFilter) isSet() bool {
	return len(f.stages) > 0 || len(f.reasons) > 0 || f.olderThan != 0 || f.newerThan != 0
}

// filter reads the flags and ids. The error has all mistakes.
func (f *deadFilter) filter(args []string, now time.Time) (deadletter.Filter, error) {
	filter := deadletter.Filter{Stages: f.stages}
	var problems []error
	for _, arg := range args {
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil {
			problems = append(problems, fmt.Errorf("read id: found %q, expected a number from 'vedette dead list'", arg))
		}
		filter.IDs = append(filter.IDs, id)
	}
	problems = append(problems, checkChoices("--stage", f.stages, workers.Stages()), checkChoices("--reason", f.reasons, reasonNames()))
	for _, reason := range f.reasons {
		filter.Reasons = append(filter.Reasons, job.Reason(reason))
	}
	if f.olderThan < 0 || f.newerThan < 0 {
		problems = append(problems, errors.New("read age: found a negative duration, expected more than 0s"))
	}
	if f.olderThan > 0 {
		filter.Before = now.Add(-f.olderThan)
	}
	if f.newerThan > 0 {
		filter.After = now.Add(-f.newerThan)
	}
	return filter, errors.Join(problems...)
}

// checkChoices returns an error for each value that is not among the choices.
func checkChoices(flag string, values, choices []string) error {
	var problems []error
	for _, value := range values {
		if !slices.Contains(choices, value) {
			problems = append(problems, fmt.Errorf("read %s: found %q, expected one of %s", flag, value, strings.Join(choices, ", ")))
		}
	}
	return errors.Join(problems...)
}

// forEach calls do for each selected dead letter, until do returns false. Without
// flags, it is an error if an id is not found.
func (f *deadFilter) forEach(cmd *cobra.Command, args []string, do func(*pipeline.Pipeline, deadletter.Letter) bool) error {
	filter, err := f.filter(args, time.Now())
	if err != nil {
		return cli.UsageError(cmd, err)
	}
	missing := map[uint64]bool{}
	for _, id := range filter.IDs {
		missing[id] = true
	}
	_, err = cli.Query(cmd.Context(), &f.where, func(ctx context.Context, p *pipeline.Pipeline) (bool, error) {
		return false, deadletter.Each(ctx, p, filter, func(l deadletter.Letter) bool {
			delete(missing, l.ID)
			return do(p, l)
		})
	})
	if len(missing) > 0 && err == nil && !f.isSet() {
		return &cli.HintError{
			Err:  fmt.Errorf("find dead letters: found none with the id %s", strings.Trim(fmt.Sprint(slices.Sorted(maps.Keys(missing))), "[]")),
			Hint: "'vedette dead list' shows all; replayed and dropped ones are removed",
		}
	}
	return err
}
