// Package soak puts an installation under load, kills parts of it, and counts
// whether anything was lost.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

// soakOptions are the flags of `vedette soak`.
type soakOptions struct {
	length  time.Duration
	drain   time.Duration
	jobs    int
	workers int
	chaos   bool
	ackWait time.Duration
}

// Command is `vedette soak`. Its child processes run program.
func Command(program Program) *cobra.Command {
	var options soakOptions
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Prove on this machine that no job gets lost",
		Long: `Orders checks of nothing from a server and workers in processes of their own,
and prints a balance: what was enqueued must be done, dead or pending. With
--chaos a random worker is killed each second, and the server restarted every
ten seconds, in turn by SIGKILL and by SIGTERM. Some of the orders are broken,
and some make their handler panic. Nothing but loopback is contacted, and
everything is removed.

Exits with 1 when the balance is not zero. Without --chaos a job that was done
twice is an error too; with it, whatever a killed worker was doing is done again.

A job's hold is renewed every third of --ack-wait, so a minute at 80ms renews
as often as an hour at 5s.`,
		Example: `  vedette soak --for 60s --chaos
  vedette soak --for 60s --ack-wait 80ms`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.length < time.Second || options.jobs < 1 || options.workers < 1 || options.ackWait < 10*time.Millisecond {
				return cli.UsageError(cmd, errors.New("read flags: expected a second or more, 1 job and 1 worker or more, and an --ack-wait of 10ms or more"))
			}
			return options.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().DurationVar(&options.length, "for", time.Minute, "how long jobs are enqueued")
	cmd.Flags().DurationVar(&options.drain, "drain", time.Minute, "how long to wait at the end until all are done")
	cmd.Flags().IntVar(&options.jobs, "jobs", 100_000, "how many jobs")
	cmd.Flags().IntVar(&options.workers, "workers", 4, "how many worker processes")
	cmd.Flags().BoolVar(&options.chaos, "chaos", false, "kill workers and restart the server")
	cmd.Flags().DurationVar(&options.ackWait, "ack-wait", 5*time.Second, "how long after a worker's death its jobs are given to another")
	cmd.AddCommand(soakClusterCommand(), soakServerCommand(), soakWorkerCommand(), soakChildCommand(program))
	return cmd
}

// soak is one run.
type soak struct {
	soakOptions

	stage    *stage
	pipeline *pipeline.Pipeline
	stderr   io.Writer
	enqueued atomic.Int64
}

func (o soakOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "vedette-soak-*")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	processes, err := newStage(ctx, dir, o, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, processes.close()) }()
	p, err := installSoak(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = cli.JoinClose(p, err) }()
	s := &soak{soakOptions: o, stage: processes, pipeline: p, stderr: stderr}
	if err := s.work(ctx); err != nil {
		return err
	}
	balance, err := s.count(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(stdout, s.report(balance)); err != nil {
		return err
	}
	return s.verdict(balance)
}

// installSoak waits for the server and makes the streams.
func installSoak(ctx context.Context, dir string) (*pipeline.Pipeline, error) {
	limited, cancel := context.WithTimeout(ctx, cli.CommandTimeout)
	defer cancel()
	url, err := awaitURL(limited, dir)
	if err != nil {
		return nil, err
	}
	p, err := pipeline.Connect(limited, pipeline.Config{URL: url})
	if err != nil {
		return nil, err
	}
	if err := p.Ensure(limited); err != nil {
		return nil, cli.JoinClose(p, err)
	}
	return p, nil
}

// awaitURL waits until the server's process has said where it listens.
func awaitURL(ctx context.Context, dir string) (string, error) {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		url, err := broker.FindURL(dir)
		if err == nil {
			return url, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return "", fmt.Errorf("wait for the server: %w", err)
		}
	}
}

// work enqueues the jobs, with chaos around if it is wanted, and waits until
// they are done.
func (s *soak) work(ctx context.Context) error {
	if err := s.stage.startWorkers(ctx); err != nil {
		return err
	}
	length, stop := context.WithTimeout(ctx, s.length)
	defer stop()
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error { return s.produce(working) })
	if s.chaos {
		group.Go(func() error { return s.stage.chaos(working, length) })
	}
	group.Go(func() error { return s.progress(length) })
	if err := group.Wait(); err != nil {
		return err
	}
	return s.settle(ctx)
}

// progressEvery is how often a person hears that it goes on.
const progressEvery = 10 * time.Second

func (s *soak) progress(ctx context.Context) error {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-tick.C:
			cli.Writef(s.stderr, "%s: %d of %d enqueued\n", time.Since(began).Round(time.Second), s.enqueued.Load(), s.jobs)
		case <-ctx.Done():
			return nil
		}
	}
}

// settle waits until no job is left, as long as it is worth it.
func (s *soak) settle(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.drain)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		left, err := inspect.Count(limited, s.pipeline, topology.Adhoc)
		if err == nil && left == 0 {
			return s.stage.stopWorkers()
		}
		select {
		case <-look.C:
		case <-limited.Done():
			return errors.Join(ctx.Err(), s.stage.stopWorkers()) // what is left is pending, and counted as such
		}
	}
}
