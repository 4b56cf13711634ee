package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/deadletter"
)

// bulk applies an action to each selected dead letter.
type bulk struct {
	filter  deadFilter
	all     bool
	dry     bool
	rate    float64 // a second; 0 means as fast as possible
	verb    string  // the action, in the past tense
	do      func(context.Context, *pipeline.Pipeline, deadletter.Letter) error
	stdout  io.Writer
	done    int
	failed  int
	stopped error
}

func (b *bulk) flags(cmd *cobra.Command) {
	b.filter.flags(cmd)
	cmd.Flags().BoolVar(&b.all, "all", false, "all dead letters")
	cmd.Flags().BoolVar(&b.dry, "dry-run", false, "list the dead letters without changing them")
}

func deadReplayCommand() *cobra.Command {
	b := &bulk{verb: "replayed", do: deadletter.Replay}
	cmd := &cobra.Command{
		Use:   "replay [ID...]",
		Short: "Return failed jobs to their stages",
		Long: `Returns jobs to their stages unchanged, with a full number of attempts. A job whose
id is queued or running again is left alone, and a mail that was sent in the last
two days is not sent again. So replaying twice has the same effect as once.`,
		Example: `  vedette dead replay 17 18
  vedette dead replay --stage mail --reason given_up
  vedette dead replay --all --rate 10`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if b.rate <= 0 {
				return cli.UsageError(cmd, fmt.Errorf("read --rate: found %g, expected more than 0", b.rate))
			}
			return b.run(cmd, args)
		},
	}
	b.flags(cmd)
	cmd.Flags().Float64Var(&b.rate, "rate", 100, "replay at most this many a second")
	return cmd
}

func deadDropCommand() *cobra.Command {
	b := &bulk{verb: "dropped", do: func(ctx context.Context, p *pipeline.Pipeline, l deadletter.Letter) error {
		return deadletter.Drop(ctx, p, l.ID)
	}}
	cmd := &cobra.Command{
		Use:     "drop [ID...]",
		Short:   "Remove dead letters permanently",
		Example: "  vedette dead drop 17\n  vedette dead drop --reason malformed --older-than 24h --dry-run",
		RunE:    b.run,
	}
	b.flags(cmd)
	return cmd
}

// run applies the action. One failure does not stop it.
func (b *bulk) run(cmd *cobra.Command, args []string) error {
	if selects := len(args) > 0 || b.filter.isSet(); selects == b.all {
		found := "neither ids nor filters nor --all"
		if b.all {
			found = "--all with ids or filters"
		}
		return cli.UsageError(cmd, fmt.Errorf("select dead letters: found %s, expected either ids and filters or --all", found))
	}
	b.stdout = cmd.OutOrStdout()
	ctx := cmd.Context()
	pace := make(<-chan time.Time)
	if b.rate > 0 {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / b.rate))
		defer ticker.Stop()
		pace = ticker.C
	}
	err := b.filter.forEach(cmd, args, func(p *pipeline.Pipeline, l deadletter.Letter) bool {
		return b.apply(ctx, cmd.ErrOrStderr(), p, l, pace)
	})
	if err != nil && b.done+b.failed == 0 {
		return err
	}
	return errors.Join(err, b.report())
}

// apply applies the action to one dead letter, and reports whether to continue.
func (b *bulk) apply(ctx context.Context, stderr io.Writer, p *pipeline.Pipeline, l deadletter.Letter, pace <-chan time.Time) bool {
	if b.dry {
		b.done++
		cli.Writef(b.stdout, "would be %s: %d  %s  %s  %s\n", b.verb, l.ID, cli.Printable(l.Stage), cli.Printable(string(l.Reason)), cli.Printable(l.Subject))
		return true
	}
	if err := b.do(ctx, p, l); err != nil {
		b.failed++
		cli.PrintError(stderr, err)
		if errors.Is(err, pipeline.ErrFull) || ctx.Err() != nil {
			b.stopped = err
			return false
		}
		return true
	}
	b.done++
	if b.rate == 0 {
		return true
	}
	select {
	case <-pace:
		return true
	case <-ctx.Done():
		b.stopped = ctx.Err()
		return false
	}
}

func (b *bulk) report() error {
	verb := b.verb
	if b.dry {
		verb = "would be " + verb
	}
	if _, err := fmt.Fprintf(b.stdout, "%s %s\n", cli.Count(b.done, "dead letter"), verb); err != nil {
		return err
	}
	switch {
	case b.stopped != nil:
		return &cli.HintError{Err: fmt.Errorf("select dead letters: stopped: %w", b.stopped), Hint: "the others are unchanged; run the same command again"}
	case b.failed > 0:
		return &cli.ExitError{Code: cli.ExitFailed}
	default:
		return nil
	}
}
