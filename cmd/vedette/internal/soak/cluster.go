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
	"vedette/pipeline"
	"vedette/pipeline/rights"
)

// clusterSoak is one run of `vedette soak cluster`.
type clusterSoak struct {
	length, drain time.Duration
	rate          int // checks a second; a fifth as many mails
	workers       int // processes of each kind
	log           string
	namespaces    string // prefix of the names of network namespaces; empty for none

	stdout, stderr io.Writer
	began          time.Time
	stage          *clusterStage
	witness        *witness
	pipeline       *pipeline.Pipeline
	load           *clusterLoad
	pause          time.Duration // the longest in which nothing was done
	diary          []string      // what happened to the cluster, and when
}

func soakClusterCommand() *cobra.Command {
	var s clusterSoak
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Prove on this machine that a cluster loses no job",
		Long: `Runs a cluster of three 'vedette server' with TLS, workers that check and that
send mails, and a scheduler, each a process of its own with the rights of its role.
Checks and mails are ordered all the while, and one after the other happens to them
what happens to machines:

  the node that leads the queue of checks is killed, and started again
  a node stands still for eight seconds, cut off from everything
  a node loses its disk
  all nodes are restarted, one after the other as they are ready
  a worker of each kind is killed

At the end there is a balance: what was acknowledged, and done, and lost; what was
done more than once, as happens to what a killed process was doing; and the longest
time in which nothing was done. Nothing but loopback is contacted, and everything
is removed.

Exits with 1 when something is lost, or when there was a pause of more than 10s.`,
		Example: "  vedette soak cluster --for 2m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.length < time.Second || s.rate < 5 || s.workers < 1 {
				return cli.UsageError(cmd, errors.New("read flags: expected a second or more, 5 checks a second and 1 worker or more"))
			}
			s.stdout, s.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return s.run(cmd.Context())
		},
	}
	cmd.Flags().DurationVar(&s.length, "for", 2*time.Minute, "how long jobs are ordered at least; what has begun by then is finished")
	cmd.Flags().DurationVar(&s.drain, "drain", time.Minute, "how long to wait at the end until all are done")
	cmd.Flags().IntVar(&s.rate, "rate", 100, "how many checks are ordered each second, and a fifth as many mails")
	cmd.Flags().IntVar(&s.workers, "workers", 2, "how many processes check, and as many send mails")
	cmd.Flags().StringVar(&s.namespaces, "namespaces", "", "run each process in a network namespace whose name begins so, and cut nodes off: see testdata/namespaces.sh")
	cmd.Flags().StringVar(&s.log, "log", os.DevNull, "file for the log of all processes, with all they have to say")
	return cmd
}

func (s *clusterSoak) run(ctx context.Context) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	hosts := soakHosts{prefix: s.namespaces, self: self}
	dir, err := os.MkdirTemp("", "vedette-soak-*")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log, err := os.Create(s.log)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { err = cli.JoinClose(log, err) }()
	if s.witness, err = newWitness(ctx, hosts.address("hub")); err != nil {
		return err
	}
	defer s.witness.close()
	if s.stage, err = newClusterStage(ctx, dir, hosts, s.witness, log); err != nil {
		return err
	}
	s.stage.verbose = s.log != os.DevNull
	defer func() { err = errors.Join(err, s.stage.close()) }()
	if err := s.stage.open(ctx, s.workers); err != nil {
		return err
	}
	if s.pipeline, err = s.connect(ctx, dir); err != nil {
		return err
	}
	defer func() { err = cli.JoinClose(s.pipeline, err) }()
	if err := s.work(ctx); err != nil {
		return err
	}
	return s.settle(ctx)
}

// connect joins as the operator, and waits until the scheduler has made the
// installation.
func (s *clusterSoak) connect(ctx context.Context, dir string) (*pipeline.Pipeline, error) {
	limited, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	where := cli.Remote{Login: cli.Login{Login: pipeline.Login{
		CAFile: filepath.Join(dir, "secrets", "ca.pem"), PasswordFile: s.stage.password(rights.Admin),
	}}}
	p, err := pipeline.Connect(limited, where.Config(s.stage.urls(rights.Admin)))
	if err != nil {
		return nil, err
	}
	if err := p.AwaitInstalled(limited); err != nil {
		return nil, cli.JoinClose(p, err)
	}
	return p, nil
}

// work orders jobs while things happen to the cluster.
func (s *clusterSoak) work(ctx context.Context) error {
	s.load, s.began = &clusterLoad{pipeline: s.pipeline, address: s.witness.checks.Addr().String()}, time.Now()
	ordering, enough := context.WithCancel(ctx)
	defer enough()
	group, working := errgroup.WithContext(ordering)
	group.Go(func() error { return s.load.produce(working, s.rate) })
	group.Go(func() error {
		defer enough()
		return s.chaos(working)
	})
	return group.Wait()
}

// settle waits until what was ordered is done, and tells the balance.
func (s *clusterSoak) settle(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.drain)
	defer cancel()
	look := time.NewTicker(readyLook)
	defer look.Stop()
	for done := false; !done; {
		b, err := s.count(limited)
		done = err == nil && len(b.pending)+len(b.lost)+len(b.differing) == 0
		select {
		case <-look.C:
		case <-limited.Done():
			done = true
		}
	}
	b, err := s.count(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(s.stdout, s.report(b), s.trace(ctx, b)); err != nil {
		return err
	}
	return s.verdict(b)
}
