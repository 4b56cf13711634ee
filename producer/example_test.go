package producer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
	"vedette/producer"
)

// EnqueueCheck returns once the check is stored. The id makes the request safe
// to repeat.
func ExampleClient_EnqueueCheck() {
	ctx := context.Background()
	p, disconnect := connect(ctx)
	defer disconnect()
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	check := job.Check{ID: "deploy-17", Spec: job.Spec{HTTP: &job.HTTP{URL: "https://example.org/health"}}}
	for range 2 {
		id, err := client.EnqueueCheck(ctx, check)
		fmt.Println(id, err)
	}
	// Output:
	// deploy-17 <nil>
	// deploy-17 enqueue check deploy-17: a job with this id is queued or running
}

// Check waits for the outcome, here from a worker in the same process.
func ExampleClient_Check() {
	ctx := context.Background()
	p, disconnect := connect(ctx)
	defer disconnect()
	defer startWorker(ctx, p)()
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	outcome, err := client.Check(ctx, job.Check{ID: "try-1", Spec: job.Spec{TCP: &job.TCP{Address: "db.example.org:5432"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(outcome.ID, outcome.Check.ProbeResult.Health)
	// Output:
	// try-1 up
}

// When the context of a call ends first, the job stays in its queue, and Outcome
// returns the outcome later.
func ExampleClient_Outcome() {
	ctx := context.Background()
	p, disconnect := connect(ctx)
	defer disconnect()
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	pending, err := client.Check(short, job.Check{ID: "try-2", Spec: job.Spec{ICMP: &job.ICMP{Host: "192.0.2.1"}}})
	fmt.Println(pending.ID, "pending:", errors.Is(err, producer.ErrPending))

	defer startWorker(ctx, p)()
	outcome, err := client.Outcome(ctx, job.JobCheck, pending.ID)
	for errors.Is(err, producer.ErrPending) {
		outcome, err = client.Outcome(ctx, job.JobCheck, pending.ID)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(outcome.ID, outcome.Check.ProbeResult.Health)
	// Output:
	// try-2 pending: true
	// try-2 up
}

// startWorker starts a pool that finds all targets of check calls up.
func startWorker(ctx context.Context, p *pipeline.Pipeline) (stop func()) {
	outcomes, err := p.Bucket(ctx, topology.Outcomes)
	if err != nil {
		panic(err)
	}
	workers, err := pool.New(p, pool.Config{
		Consumer: topology.CheckCallConsumer(job.DefaultLocation),
		Handler: func(ctx context.Context, d pipeline.Delivery) error {
			check, err := job.Decode[job.Check](d.Body)
			if err != nil {
				return err
			}
			body, err := job.Encode(job.Outcome{
				V: job.Version, Kind: job.JobCheck, ID: check.ID, At: time.Now().UTC(), Attempts: d.Attempt,
				Check: &job.Result{ID: check.ID, Location: check.Location, ProbeResult: &job.ProbeResult{Health: job.Up, Started: time.Now().UTC()}},
			})
			if err != nil {
				return err
			}
			if _, err := outcomes.Put(ctx, job.OutcomeKey(job.JobCheck, check.ID), body); err != nil {
				return err
			}
			return p.Reply(ctx, d.Reply, body)
		},
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- workers.Serve(ctx) }()
	return func() {
		cancel()
		<-served
	}
}

// connect starts a server in this process and connects to it.
func connect(ctx context.Context) (p *pipeline.Pipeline, disconnect func()) {
	dir, err := os.MkdirTemp("", "vedette")
	if err != nil {
		panic(err)
	}
	server, err := broker.Start(broker.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	p, err = pipeline.Connect(ctx, pipeline.Config{InProcess: server, User: broker.User, Password: server.Secret()})
	if err == nil {
		err = p.Ensure(ctx)
	}
	if err != nil {
		panic(err)
	}
	return p, func() {
		_ = p.Close()
		_ = server.Stop()
		_ = os.RemoveAll(dir)
	}
}
