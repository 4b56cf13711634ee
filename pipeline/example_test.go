package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

// A message under a subject that is occupied is refused: a job with the same id
// is queued or running.
func ExamplePipeline_Publish() {
	dir, err := os.MkdirTemp("", "vedette")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	server, err := broker.Start(broker.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer server.Stop()
	ctx := context.Background()
	p, err := pipeline.Connect(ctx, pipeline.Config{InProcess: server, User: broker.User, Password: server.Secret(), Shards: 1})
	if err != nil {
		panic(err)
	}
	defer p.Close()
	if err := p.Ensure(ctx); err != nil {
		panic(err)
	}
	message := pipeline.Message{Subject: topology.AdhocSubject("berlin", "try1"), Body: []byte(`{"tcp":"db.example.org:5432"}`)}
	for range 2 {
		err := p.Publish(ctx, message)
		fmt.Println("occupied:", errors.Is(err, pipeline.ErrOccupied))
	}
	count, err := inspect.Count(ctx, p, topology.Adhoc)
	fmt.Println("queued:", count, err)
	// Output:
	// occupied: false
	// occupied: true
	// queued: 1 <nil>
}
