package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/workers"
)

// workerCommand is a check worker whose prober contacts no target.
func workerCommand() *cobra.Command {
	var dir string
	var ackWait time.Duration
	cmd := &cobra.Command{
		Use: "worker", Short: "Run a worker of a soak", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return work(cmd.Context(), dir, ackWait) },
	}
	cmd.Flags().StringVar(&dir, "data", "", "data directory of the server")
	cmd.Flags().DurationVar(&ackWait, "ack-wait", 0, "how long after a worker's death its jobs go to another worker")
	return cmd
}

func work(ctx context.Context, dir string, ackWait time.Duration) error {
	url, err := broker.FindURL(dir)
	if err != nil {
		return err
	}
	p, err := pipeline.Connect(ctx, pipeline.Config{URL: url})
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was stopped before the server was there
		}
		return err
	}
	w, err := workers.New(workers.Config{
		Pipeline: p, Stages: []string{workers.StageCheck}, Prober: prober{}, AckWait: ackWait, Grace: 10 * time.Second,
	})
	if err != nil {
		return cli.JoinClose(p, err)
	}
	return errors.Join(w.Serve(ctx), p.Close())
}

// prober contacts no target.
type prober struct{}

const (
	slow  = time.Second
	quick = 20 * time.Millisecond
)

// Check waits as long as the target says, or panics in every other attempt.
func (prober) Check(ctx context.Context, spec job.Spec) job.ProbeResult {
	took := rand.N(quick)
	switch spec.Target() {
	case targetPanic:
		if rand.IntN(2) == 0 {
			panic("a panic for the soak")
		}
	case targetSlow:
		took = slow
	default:
	}
	began := time.Now().UTC()
	_ = harness.Wait(ctx, took) // the result is the same
	return job.ProbeResult{Health: job.Up, Started: began}
}
