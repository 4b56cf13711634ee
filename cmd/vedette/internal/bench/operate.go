package bench

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/producer"
	"vedette/workers"
)

// withServer calls do with an empty installation on a server in this process,
// then stops and removes both.
func withServer(ctx context.Context, config broker.Config, do func(*pipeline.Pipeline, *broker.Broker) error) error {
	return harness.WithDir(func(dir string) (err error) {
		config.Dir = dir
		b, err := broker.Start(config)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.Stop()) }()
		p, err := pipeline.Connect(ctx, pipeline.Config{InProcess: b, User: broker.User, Password: b.Secret()})
		if err != nil {
			return err
		}
		defer func() { err = cli.JoinClose(p, err) }()
		if err := p.Ensure(ctx); err != nil {
			return err
		}
		return do(p, b)
	})
}

// service runs until its context ends.
type service func(context.Context) error

// operate runs services until take returns.
func operate(ctx context.Context, take func(context.Context) error, services ...service) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	for _, serve := range services {
		group.Go(func() error { return serve(ctx) })
	}
	err := take(ctx)
	stop()
	return errors.Join(err, group.Wait())
}

// stages returns the scheduler and the configured stages.
func stages(config workers.Config) ([]service, error) {
	tree, err := workers.New(config)
	if err != nil {
		return nil, err
	}
	scheduler, err := producer.NewScheduler(producer.SchedulerConfig{Pipeline: config.Pipeline})
	if err != nil {
		return nil, err
	}
	return []service{tree.Serve, scheduler.Serve}, nil
}

const monitorPrefix = "bench-"

func monitorName(i int) string { return fmt.Sprint(monitorPrefix, i) }

// define stores n monitors. They are encoded one at a time, like monitors from a
// file: decoded, a million would dominate the peak memory.
func define(ctx context.Context, p *pipeline.Pipeline, n int, monitor func(i int) job.Monitor) error {
	encoded := &compact.Map[uint32]{}
	for i := range n {
		m := monitor(i)
		m.V, m.Name = job.Version, monitorName(i)
		body, err := job.Encode(m)
		if err != nil {
			return err
		}
		encoded.Put(m.Name, body)
	}
	_, err := producer.Apply(ctx, p, producer.Definitions{Encoded: encoded}, producer.ApplyOptions{})
	return err
}
