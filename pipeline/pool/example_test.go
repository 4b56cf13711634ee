package pool_test

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
)

// A pool with a custom handler. The first attempt at the job fails, and the
// handler chooses when the next one follows.
func Example() {
	p, closeAll := connect()
	defer closeAll()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	workers, err := pool.New(p, pool.Config{
		Consumer: topology.AdhocConsumer("berlin"),
		Limit:    4,
		Timeout:  time.Minute,
		Handler: func(_ context.Context, d pipeline.Delivery) error {
			fmt.Printf("%s, attempt %d: %s\n", d.Subject, d.Attempt, d.Body)
			if d.Attempt == 1 {
				return job.RetryIn(errors.New("not yet"), 10*time.Millisecond)
			}
			stop() // Serve returns when this job is settled
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	if err := p.Publish(ctx, pipeline.Message{Subject: topology.AdhocSubject("berlin", "greet"), Body: []byte("hello")}); err != nil {
		panic(err)
	}
	if err := workers.Serve(ctx); err != nil {
		panic(err)
	}
	fmt.Println("failed attempts:", workers.Status().Failed)
	// Output:
	// adhoc.berlin.greet, attempt 1: hello
	// adhoc.berlin.greet, attempt 2: hello
	// failed attempts: 1
}

// connect installs the pipeline on a server in this process.
func connect() (p *pipeline.Pipeline, closeAll func()) {
	dir, err := os.MkdirTemp("", "vedette")
	if err != nil {
		panic(err)
	}
	server, err := broker.Start(broker.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	p, err = pipeline.Connect(context.Background(), pipeline.Config{InProcess: server, User: broker.User, Password: server.Secret(), Shards: 1})
	if err != nil {
		panic(err)
	}
	if err := p.Ensure(context.Background()); err != nil {
		panic(err)
	}
	return p, func() {
		if err := errors.Join(p.Close(), server.Stop(), os.RemoveAll(dir)); err != nil {
			panic(err)
		}
	}
}
