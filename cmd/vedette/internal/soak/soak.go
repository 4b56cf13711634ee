// Package soak puts an installation under load, kills processes, and counts
// whether a job was lost.
package soak

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/faultsoak"
	"vedette/cmd/vedette/internal/harness"
)

// Command is `vedette soak`.
func Command() *cobra.Command {
	var s single
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Prove on this machine that no job gets lost",
		Long: `Runs a server and workers in separate processes, enqueues checks that do nothing,
and prints a balance: each enqueued job must be done, dead or pending. With
--chaos a random worker is killed each second, and the server is restarted every
ten seconds, in turn by SIGKILL and by SIGTERM. Some jobs are malformed, and some
make their handler panic. Only loopback is contacted, and everything is removed.

Exits with 1 when the balance is not zero. Without --chaos a job that was done
twice is an error too; with it, the jobs in progress in a killed worker are done
again.

A worker renews its claim to a job every third of --ack-wait, so a minute at 80ms
renews as often as an hour at 5s.`,
		Example: `  vedette soak --for 60s --chaos
  vedette soak --for 60s --ack-wait 80ms`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := harness.CheckFlags(cmd, atLeast("--for", s.length, time.Second), harness.AtLeastOne("--jobs", s.jobs),
				harness.AtLeastOne("--workers", s.workers), atLeast("--ack-wait", s.ackWait, 10*time.Millisecond))
			if err != nil {
				return err
			}
			s.stdout, s.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return harness.WithDir(func(dir string) error { return s.run(cmd.Context(), dir) })
		},
	}
	cmd.Flags().DurationVar(&s.length, "for", time.Minute, "how long to enqueue jobs")
	cmd.Flags().DurationVar(&s.drain, "drain", time.Minute, "how long to wait at the end until all jobs are done")
	cmd.Flags().IntVar(&s.jobs, "jobs", 100_000, "number of jobs")
	cmd.Flags().IntVar(&s.workers, "workers", 4, "number of worker processes")
	cmd.Flags().BoolVar(&s.chaos, "chaos", false, "kill workers and restart the server")
	cmd.Flags().DurationVar(&s.ackWait, "ack-wait", 5*time.Second, "how long after a worker's death its jobs go to another worker")
	cmd.AddCommand(clusterCommand(), faultsoak.Command(), workerCommand())
	return cmd
}

func atLeast(flag string, found, least time.Duration) harness.Limit {
	return harness.Limit{Flag: flag, Found: found, Holds: found >= least, Expected: least.String() + " or more"}
}

// processes starts processes for a soak.
type processes struct {
	hosts   hosts
	dir     string
	log     io.Writer
	crashes atomic.Int64 // processes that ended unexpectedly
}

// start starts this program on a host. The process ends with this one.
func (p *processes) start(host string, args ...string) (*harness.Process, error) {
	cmd, err := p.hosts.command(host, append([]string{"child"}, args...)...)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = p.log
	return harness.Start(cmd, func(err error) {
		p.crashes.Add(1)
		cli.Writef(p.log, "vedette: process %v ended unexpectedly: %v\n", args, err)
	})
}

// crashed returns an error if a process ended unexpectedly.
func (p *processes) crashed() error {
	n := p.crashes.Load()
	return expect(n == 0, "balance processes: found %d that ended unexpectedly, expected none", n)
}

// expect returns an error with [cli.ExitFound] unless a condition holds.
func expect(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return &cli.ExitError{Code: cli.ExitFound, Err: fmt.Errorf(format, args...)}
}

func jobID(n int) string { return "soak-" + strconv.Itoa(n) }

// some returns the first entries in a list, to end a line.
func some(list []string) string {
	switch {
	case len(list) > 5:
		return "  [" + strings.Join(list[:5], " ") + " …]"
	case len(list) > 0:
		return "  [" + strings.Join(list, " ") + "]"
	default:
		return ""
	}
}
