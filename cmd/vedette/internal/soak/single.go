package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

// single is a soak with one server.
type single struct {
	length, drain time.Duration
	jobs, workers int
	chaos         bool
	ackWait       time.Duration

	stdout, stderr io.Writer
	processes      *singleProcesses
	pipeline       *pipeline.Pipeline
	enqueued       atomic.Int64
}

func (s *single) run(ctx context.Context, dir string) (err error) {
	s.processes = &singleProcesses{processes: processes{dir: dir, log: s.stderr}, ackWait: s.ackWait}
	defer func() { err = errors.Join(err, s.processes.stopAll()) }()
	if err := s.processes.startServer(ctx); err != nil {
		return err
	}
	if s.pipeline, err = install(ctx, dir); err != nil {
		return err
	}
	defer func() { err = cli.JoinClose(s.pipeline, err) }()
	if err := s.work(ctx); err != nil {
		return err
	}
	b, err := s.count(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(s.stdout, s.report(b)); err != nil {
		return err
	}
	return s.verdict(b)
}

// install waits for the server and creates the streams.
func install(ctx context.Context, dir string) (*pipeline.Pipeline, error) {
	limited, cancel := context.WithTimeout(ctx, cli.CommandTimeout)
	defer cancel()
	var url string
	err := harness.Poll(limited, func() (found bool) {
		var err error
		url, err = broker.FindURL(dir)
		return err == nil
	})
	if err != nil {
		return nil, fmt.Errorf("await server: %w", err)
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

// work enqueues the jobs, with chaos on demand, and waits until they are done.
func (s *single) work(ctx context.Context) error {
	for range s.workers {
		if err := s.processes.startWorker(); err != nil {
			return err
		}
	}
	length, stop := context.WithTimeout(ctx, s.length)
	defer stop()
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error { return s.produce(working) })
	if s.chaos {
		group.Go(func() error { return s.processes.chaos(working, length) })
	}
	group.Go(func() error { s.progress(length); return nil })
	if err := group.Wait(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.drain)
	defer cancel()
	_ = harness.Poll(limited, func() bool { // jobs that are left count as pending
		left, err := inspect.Count(limited, s.pipeline, topology.Adhoc)
		return err == nil && left == 0
	})
	return errors.Join(ctx.Err(), s.processes.stopWorkers())
}

// progress reports to the user until ctx ends.
func (s *single) progress(ctx context.Context) {
	const every = 10 * time.Second
	for began := time.Now(); harness.Wait(ctx, every) == nil; {
		cli.Writef(s.stderr, "%s: %d of %d enqueued\n", time.Since(began).Round(time.Second), s.enqueued.Load(), s.jobs)
	}
}
