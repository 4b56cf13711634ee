package stranded_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/topology"
)

// consumerState is a consumer's state file, as nats-server 2.15 writes it.
type consumerState struct {
	floorConsumer, floor         uint64
	deliveredConsumer, delivered uint64
	pending                      map[uint64]uint64 // consumer sequences by stream sequence
}

func (s consumerState) encode() []byte {
	body := []byte{22, 2}
	for _, n := range []uint64{s.floorConsumer, s.floor, s.deliveredConsumer, s.delivered, uint64(len(s.pending))} {
		body = binary.AppendUvarint(body, n)
	}
	if len(s.pending) > 0 {
		body = binary.AppendVarint(body, time.Now().Unix())
	}
	for sequence, consumer := range s.pending {
		body = binary.AppendUvarint(body, sequence-s.floor)
		body = binary.AppendUvarint(body, consumer-s.floorConsumer)
		body = binary.AppendVarint(body, 0)
	}
	return binary.AppendUvarint(body, 0)
}

// installation is a server whose data directory outlives it.
type installation struct {
	t   *testing.T
	dir string
	b   *broker.Broker
	p   *pipeline.Pipeline
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	i := &installation{t: t, dir: t.TempDir()}
	i.start()
	if err := i.p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.stop)
	return i
}

func (i *installation) start() {
	i.t.Helper()
	b, err := broker.Start(broker.Config{Dir: i.dir})
	if err != nil {
		i.t.Fatal(err)
	}
	p, err := pipeline.Connect(i.t.Context(), pipeline.Config{InProcess: b, User: broker.User, Password: b.Secret(), Shards: 4, Process: "test"})
	if err != nil {
		i.t.Fatal(err)
	}
	i.b, i.p = b, p
}

func (i *installation) stop() {
	i.t.Helper()
	if err := i.p.Close(); err != nil {
		i.t.Error(err)
	}
	if err := i.b.Stop(); err != nil {
		i.t.Error(err)
	}
}

// restart replaces a consumer's state file while the server is stopped.
func (i *installation) restart(consumer topology.Consumer, state consumerState) {
	i.t.Helper()
	stream := i.p.Names().Stream(consumer.Stream)
	i.stop()
	file := filepath.Join(i.dir, "jetstream", "jetstream", "$G", "streams", stream, "obs", consumer.Name, "o.dat")
	if _, err := os.Stat(file); err != nil {
		i.t.Fatalf("find the consumer's state: %v", err)
	}
	if err := os.WriteFile(file, state.encode(), 0o600); err != nil {
		i.t.Fatal(err)
	}
	// Without its copy of the positions the broker cannot know that the file changed.
	if err := os.RemoveAll(filepath.Join(i.dir, "recovery")); err != nil {
		i.t.Fatal(err)
	}
	i.start()
}
