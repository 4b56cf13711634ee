package workers_test

import (
	"context"
	"fmt"
	"os"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers"
)

// A process that runs one stage, and the tree for that stage. Start returns when
// all children are ready.
func ExampleNew() {
	ctx := context.Background()
	p, disconnect := connect(ctx)
	defer disconnect()
	w, err := workers.New(workers.Config{Pipeline: p, Stages: []string{workers.StageCheck}, Prober: upProber{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	printTree(w.Children(), "")
	if err := w.Stop(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// check: running
	//   results: running
	//   children: running
	//     check-default: running
	//     adhoc-default: running
	//     call-check-default: running
}

func printTree(children []supervise.ChildStatus, indent string) {
	for _, c := range children {
		fmt.Printf("%s%s: %s\n", indent, c.Name, c.State)
		printTree(c.Children, indent+"  ")
	}
}

// A client publishes a check call, and a worker replies with the outcome.
func ExampleWorkers() {
	ctx := context.Background()
	p, disconnect := connect(ctx)
	defer disconnect()
	w, err := workers.New(workers.Config{Pipeline: p, Stages: []string{workers.StageCheck}, Prober: upProber{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	replies, err := p.Replies()
	if err != nil {
		fmt.Println(err)
		return
	}
	address, reply, done := replies.Await()
	defer done()
	err = p.Publish(ctx, pipeline.Message{
		Subject: topology.CallCheckSubject(job.DefaultLocation, "id-1"), ID: "id-1", Reply: address,
		Body: []byte(`{"v":1,"tcp":{"address":"192.0.2.1:22"}}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	outcome, err := job.Decode[job.Outcome](<-reply)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(outcome.Kind, outcome.ID, outcome.Check.ProbeResult.Health)
	_ = replies.Close()
	_ = w.Stop(ctx)
	// Output:
	// check id-1 up
}

// connect starts an embedded server, and connects to it.
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
	if err != nil {
		panic(err)
	}
	if err := p.Ensure(ctx); err != nil {
		panic(err)
	}
	return p, func() {
		_ = p.Close()
		_ = server.Stop()
		_ = os.RemoveAll(dir)
	}
}
