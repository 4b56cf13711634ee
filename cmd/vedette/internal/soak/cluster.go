package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/rights"
)

// cluster is `vedette soak cluster`.
type cluster struct {
	length, drain time.Duration
	maxPause      time.Duration // the longest acceptable time without a finished job
	rate          int           // checks per second; a fifth as many mails
	workers       int           // for checks, and as many for mails
	log           string
	hosts         hosts

	stdout, stderr io.Writer
	began          time.Time
	processes      *clusterProcesses
	witness        *witness
	pipeline       *pipeline.Pipeline
	load           *clusterLoad
	pause          time.Duration // the longest without a finished job
	events         []string      // what happened to the cluster, and when
}

func clusterCommand() *cobra.Command {
	var c cluster
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Prove on this machine that a cluster loses no job",
		Long: `Runs a cluster of three 'vedette server' with TLS, check and mail workers, and a
scheduler, each in its own process with its role's rights. While it enqueues
checks and mails, it causes the failures that machines have, one after the other:

  the node that leads the queue of checks is killed, and started again
  a node freezes for eight seconds, without closing its connections
  a node loses its disk
  all nodes are restarted, each as soon as the one before is ready
  a worker of each kind is killed

At the end it prints a balance: acknowledged, done and lost jobs; jobs that were
done more than once, as can happen to those in progress in a killed process; and
the longest pause without a finished job. Only loopback is contacted, and
everything is removed.

Exits with 1 when a job is lost, or after a pause above --max-pause.`,
		Example: "  vedette soak cluster --for 2m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := harness.CheckFlags(cmd, atLeast("--for", c.length, time.Second), atLeast("--max-pause", c.maxPause, time.Second), harness.AtLeastOne("--workers", c.workers),
				harness.Limit{Flag: "--rate", Found: c.rate, Holds: c.rate >= mailEvery, Expected: fmt.Sprintf("%d or more", mailEvery)})
			if err != nil {
				return err
			}
			c.stdout, c.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return harness.WithDir(func(dir string) error { return c.run(cmd.Context(), dir) })
		},
	}
	cmd.Flags().DurationVar(&c.length, "for", 2*time.Minute, "least time to enqueue jobs; a round of failures is always finished")
	cmd.Flags().DurationVar(&c.drain, "drain", time.Minute, "how long to wait at the end until all jobs are done")
	cmd.Flags().DurationVar(&c.maxPause, "max-pause", 10*time.Second, "longest acceptable time without a finished job; a slow machine needs more")
	cmd.Flags().IntVar(&c.rate, "rate", 100, "checks per second, and a fifth as many mails")
	cmd.Flags().IntVar(&c.workers, "workers", 2, "number of check workers, and of mail workers")
	cmd.Flags().StringVar(&c.hosts.prefix, "namespaces", "", "run each process in a network namespace with this prefix, and cut nodes off: see testdata/namespaces.sh")
	cmd.Flags().StringVar(&c.log, "log", os.DevNull, "file for the logs of all processes, with all details")
	return cmd
}

func (c *cluster) run(ctx context.Context, dir string) (err error) {
	log, err := os.Create(c.log)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { err = cli.JoinClose(log, err) }()
	if c.witness, err = newWitness(ctx, c.hosts.address("hub")); err != nil {
		return err
	}
	defer c.witness.stop()
	c.processes = &clusterProcesses{processes: processes{hosts: c.hosts, dir: dir, log: log}, debug: c.log != os.DevNull}
	defer func() { err = errors.Join(err, c.processes.stopAll()) }()
	if err := c.processes.prepare(ctx, c.witness); err != nil {
		return err
	}
	if err := c.processes.open(ctx, c.workers); err != nil {
		return err
	}
	if c.pipeline, err = c.connect(ctx, dir); err != nil {
		return err
	}
	defer func() { err = cli.JoinClose(c.pipeline, err) }()
	if err := c.work(ctx); err != nil {
		return err
	}
	return c.settle(ctx)
}

// connect joins as an admin and waits until the scheduler has installed the
// streams.
func (c *cluster) connect(ctx context.Context, dir string) (*pipeline.Pipeline, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	where := cli.Remote{Login: cli.Login{Login: pipeline.Login{
		CAFile: filepath.Join(dir, "secrets", "ca.pem"), PasswordFile: c.processes.password(rights.Admin),
	}}}
	p, err := pipeline.Connect(limited, where.Config(c.processes.urls(rights.Admin)))
	if err != nil {
		return nil, err
	}
	if err := p.AwaitInstalled(limited); err != nil {
		return nil, cli.JoinClose(p, err)
	}
	return p, nil
}

// work enqueues jobs during the failures.
func (c *cluster) work(ctx context.Context) error {
	c.load, c.began = &clusterLoad{pipeline: c.pipeline, target: c.witness.checks.Addr().String()}, time.Now()
	enqueuing, enough := context.WithCancel(ctx)
	defer enough()
	group, working := errgroup.WithContext(enqueuing)
	group.Go(func() error { return c.load.produce(working, c.rate) })
	group.Go(func() error {
		defer enough()
		return c.chaos(working)
	})
	return group.Wait()
}

// settle waits until all jobs are done and prints the balance.
func (c *cluster) settle(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, c.drain)
	defer cancel()
	_ = harness.Poll(limited, func() bool { // what is left is in the balance
		b, err := c.count(limited)
		return err == nil && len(b.pending)+len(b.lost)+len(b.differing) == 0
	})
	b, err := c.count(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(c.stdout, c.report(b), c.trace(ctx, b)); err != nil {
		return err
	}
	return c.verdict(b)
}
