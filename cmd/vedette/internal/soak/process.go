package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/workers"
)

func soakServerCommand() *cobra.Command {
	var dir, listen string
	cmd := &cobra.Command{
		Use: "server", Short: "The server of a soak", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := cli.StdinContext(cmd.Context())
			defer cancel()
			b, err := broker.Start(broker.Config{Dir: dir, Listen: listen})
			if err != nil {
				return err
			}
			<-ctx.Done()
			return b.Stop()
		},
	}
	cmd.Flags().StringVar(&dir, "data", "", "data directory")
	cmd.Flags().StringVar(&listen, "listen", "", "address")
	return cmd
}

func soakWorkerCommand() *cobra.Command {
	var dir string
	var ackWait time.Duration
	cmd := &cobra.Command{
		Use: "worker", Short: "A worker of a soak", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := cli.StdinContext(cmd.Context())
			defer cancel()
			return soakWorker(ctx, dir, ackWait)
		},
	}
	cmd.Flags().StringVar(&dir, "data", "", "data directory of the server")
	cmd.Flags().DurationVar(&ackWait, "ack-wait", 0, "how long after a death jobs are given to another")
	return cmd
}

// soakWorker works as any worker does, but for the probe.
func soakWorker(ctx context.Context, dir string, ackWait time.Duration) error {
	url, err := broker.FindURL(dir)
	if err != nil {
		return err
	}
	p, err := pipeline.Connect(ctx, pipeline.Config{URL: url})
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop before the server was there
		}
		return err
	}
	w, err := workers.New(workers.Config{
		Pipeline: p, Stages: []string{workers.StageCheck}, Prober: soakProber{}, AckWait: ackWait, Grace: 10 * time.Second,
	})
	if err != nil {
		return cli.JoinClose(p, err)
	}
	return errors.Join(w.Serve(ctx), p.Close())
}

// soakProber checks nothing, in different ways.
type soakProber struct{}

const (
	soakSlow  = time.Second
	soakQuick = 20 * time.Millisecond
)

// Check takes the time that the target says, or panics every other time.
func (soakProber) Check(ctx context.Context, spec job.Spec) job.ProbeResult {
	took := rand.N(soakQuick)
	switch spec.Target() {
	case "panic:1":
		if rand.IntN(2) == 0 {
			panic("the soak wants it so")
		}
	case "slow:1":
		took = soakSlow
	default:
	}
	timer := time.NewTimer(took)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return job.ProbeResult{Health: job.Up, Started: time.Now().UTC()}
}
