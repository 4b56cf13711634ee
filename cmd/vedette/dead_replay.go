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

// bulk does something to each selected dead letter.
type deadAction struct {
	filter  deadFilter
	all     bool
	dry     bool
	rate    float64 // a second; 0 means as fast as possible
	verb    string  // what is done, in the past
	do      func(context.Context, *pipeline.Pipeline, deadletter.Letter) error
	stdout  io.Writer
	done    int
	failed  int
	stopped error
}

func (b *deadAction) flags(cmd *cobra.Command) {
	b.filter.flags(cmd)
	cmd.Flags().BoolVar(&b.all, "all", false, "all dead letters")
	cmd.Flags().BoolVar(&b.dry, "dry-run", false, "say what would be done, and do nothing")
}

func deadReplayCommand() *cobra.Command {
	b := &deadAction{verb: "replayed"}
	cmd := &cobra.Command{
		Use:   "replay [ID...]",
		Short: "Give dead letters' jobs back to their stages",
		Long: `Gives the jobs back as they were, with all their attempts before them. A job
that lives under its id by now is left alone, and a mail that was sent in the
last two days is not sent again, so that replaying twice is replaying once.`,
		Example: `  vedette dead replay 17 18
  vedette dead replay --stage mail --reason given_up
  vedette dead replay --all --rate 10`,
		RunE: func(cmd *cobra.Command, args []string) error {
			b.do = deadletter.Replay
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
	b := &deadAction{verb: "dropped"}
	cmd := &cobra.Command{
		Use:     "drop [ID...]",
		Short:   "Remove dead letters for good",
		Example: "  vedette dead drop 17\n  vedette dead drop --reason malformed --older-than 24h --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			b.do = func(ctx context.Context, p *pipeline.Pipeline, l deadletter.Letter) error {
				return deadletter.Drop(ctx, p, l.ID)
			}
			return b.run(cmd, args)
		},
	}
	b.flags(cmd)
	return cmd
}

// run does it, and goes on after a letter that cannot be helped.
func (b *deadAction) run(cmd *cobra.Command, args []string) error {
	if len(args) == 0 && !b.all && !b.filter.isSet() {
		return cli.UsageError(cmd, errors.New("select dead letters: found no id and no filter, expected some, or --all"))
	}
	if b.all && (len(args) > 0 || b.filter.isSet()) {
		return cli.UsageError(cmd, errors.New("select dead letters: found --all beside ids or filters, expected one or the other"))
	}
	b.stdout = cmd.OutOrStdout()
	ctx := cmd.Context()
	pace := make(<-chan time.Time)
	if b.rate > 0 {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / b.rate))
		defer ticker.Stop()
		pace = ticker.C
	}
	err := b.filter.forEach(ctx, args, func(p *pipeline.Pipeline, l deadletter.Letter) bool {
		return b.apply(ctx, cmd.ErrOrStderr(), p, l, pace)
	})
	return errors.Join(err, b.report())
}

// apply does one letter, and reports whether to go on.
func (b *deadAction) apply(ctx context.Context, stderr io.Writer, p *pipeline.Pipeline, l deadletter.Letter, pace <-chan time.Time) bool {
	if b.dry {
		b.done++
		cli.Writef(b.stdout, "would be %s: %d  %s  %s  %s\n", b.verb, l.ID, cli.Printable(l.Stage), cli.Printable(string(l.Reason)), cli.Printable(l.Subject))
		return true
	}
	if err := b.do(ctx, p, l); err != nil {
		b.failed++
		cli.Writef(stderr, "vedette: %v\n", err)
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

func (b *deadAction) report() error {
	verb := b.verb
	if b.dry {
		verb = "would be " + verb
	}
	if _, err := fmt.Fprintf(b.stdout, "%s %s\n", cli.Count(b.done, "dead letter"), verb); err != nil {
		return err
	}
	switch {
	case b.stopped != nil:
		return &cli.HintError{Err: fmt.Errorf("select dead letters: stopped: %w", b.stopped), Hint: "the rest stay; run the same command again"}
	case b.failed > 0:
		return &cli.ExitError{Code: cli.ExitFailed}
	default:
		return nil
	}
}
