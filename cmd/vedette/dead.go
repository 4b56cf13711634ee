package main

import (
	"context"
	"errors"
	"fmt"
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
		Short: "Look at jobs that could not be done, and have them done again",
		Long: `A job that can never be done, or was tried long enough, becomes a dead letter:
its body byte for byte, with the stage, the reason, the last error, the
attempts, the times and the worker. Letters stay until somebody replays or
drops them.`,
		Example: `  vedette dead list --stage mail
  vedette dead show 17
  vedette dead replay --reason given_up --dry-run
  vedette dead drop --older-than 720h`,
		Args: cli.CheckSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(deadListCommand(), deadShowCommand(), deadReplayCommand(), deadDropCommand())
	return cmd
}

// deadFilter is the flags that select dead letters.
type deadFilter struct {
	where                cli.Instance
	stages, reasons      []string
	olderThan, newerThan time.Duration
}

func (f *deadFilter) flags(cmd *cobra.Command) {
	f.where.Flags(cmd)
	cmd.Flags().StringSliceVar(&f.stages, "stage", nil, "only of these stages: "+strings.Join(workers.Stages(), ", "))
	cmd.Flags().StringSliceVar(&f.reasons, "reason", nil, "only for these reasons: "+strings.Join(reasonNames(), ", "))
	cmd.Flags().DurationVar(&f.olderThan, "older-than", 0, "only those that died longer ago, such as 24h")
	cmd.Flags().DurationVar(&f.newerThan, "newer-than", 0, "only those that died less long ago")
}

func reasonNames() []string {
	var names []string
	for _, reason := range job.Reasons() {
		names = append(names, string(reason))
	}
	return names
}

// isSet tells whether any of the flags selects.
func (f *deadFilter) isSet() bool {
	return len(f.stages) > 0 || len(f.reasons) > 0 || f.olderThan > 0 || f.newerThan > 0
}

// filter reads the flags and the ids, and shows every mistake at once.
func (f *deadFilter) filter(args []string, now time.Time) (deadletter.Filter, error) {
	var filter deadletter.Filter
	var problems []error
	for _, arg := range args {
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil {
			problems = append(problems, fmt.Errorf("read id: found %q, expected a number as 'vedette dead list' shows", arg))
		}
		filter.IDs = append(filter.IDs, id)
	}
	for _, stage := range f.stages {
		if !slices.Contains(workers.Stages(), stage) {
			problems = append(problems, fmt.Errorf("read --stage: found %q, expected one of %s", stage, strings.Join(workers.Stages(), ", ")))
		}
	}
	for _, reason := range f.reasons {
		if !slices.Contains(reasonNames(), reason) {
			problems = append(problems, fmt.Errorf("read --reason: found %q, expected one of %s", reason, strings.Join(reasonNames(), ", ")))
		}
		filter.Reasons = append(filter.Reasons, job.Reason(reason))
	}
	if f.olderThan < 0 || f.newerThan < 0 {
		problems = append(problems, errors.New("read age: found a negative one"))
	}
	filter.Stages = f.stages
	if f.olderThan > 0 {
		filter.Before = now.Add(-f.olderThan)
	}
	if f.newerThan > 0 {
		filter.After = now.Add(-f.newerThan)
	}
	return filter, errors.Join(problems...)
}

// forEach calls what a command does for each selected letter, and returns the ids
// that were asked for and not found.
func (f *deadFilter) forEach(ctx context.Context, args []string, do func(*pipeline.Pipeline, deadletter.Letter) bool) error {
	filter, err := f.filter(args, time.Now())
	if err != nil {
		return cli.InputError(err)
	}
	p, err := f.where.Connect(ctx)
	if err != nil {
		return err
	}
	missing := map[uint64]bool{}
	for _, id := range filter.IDs {
		missing[id] = true
	}
	err = deadletter.Each(ctx, p, filter, func(l deadletter.Letter) bool {
		delete(missing, l.ID)
		return do(p, l)
	})
	if len(missing) > 0 && err == nil && !f.isSet() {
		err = notFoundError(missing)
	}
	return cli.JoinClose(p, err)
}

func notFoundError(missing map[uint64]bool) error {
	var ids []string
	for id := range missing {
		ids = append(ids, strconv.FormatUint(id, 10))
	}
	slices.Sort(ids)
	return &cli.HintError{
		Err:  fmt.Errorf("find dead letters: found none with id %s", strings.Join(ids, ", ")),
		Hint: "'vedette dead list' shows those that there are; replayed and dropped ones are gone",
	}
}
