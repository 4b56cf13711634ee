package faults_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// reason returns why a broker's directory cannot be written; empty if it can.
func reason(t *testing.T, b *broker.Broker) job.ProcessConditionReason {
	t.Helper()
	err := b.CheckDirectory(64 << 10)
	if err == nil {
		return ""
	}
	failed, ok := errors.AsType[*job.ConditionError](err)
	if !ok {
		t.Fatalf("got %v, want a ConditionError", err)
	}
	t.Log(err)
	return failed.Reason
}

// enqueue stores n jobs, and returns how many the server acknowledged.
func enqueue(t *testing.T, p *pipeline.Pipeline, name string, n int) int {
	t.Helper()
	stored := 0
	for i := range n {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := p.Publish(ctx, pipeline.Message{Subject: topology.AdhocSubject("here", name+strconv.Itoa(i)), Body: make([]byte, 5000)})
		cancel()
		if err == nil {
			stored++
		}
	}
	return stored
}

// The server keeps a write error when there is room again; a restart inside the
// process ends it, keeps all that was acknowledged, and clients reconnect.
func TestServerThatMetAFullDiskStoresAgainAfterARestart(t *testing.T) {
	t.Parallel()
	d := mounted(t)
	b, err := broker.Start(broker.Config{Dir: filepath.Join(d.Dir, "data"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	}()
	p, err := pipeline.Connect(t.Context(), pipeline.Config{InProcess: b, User: broker.User, Password: b.Secret()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored := enqueue(t, p, "before", 20)
	if err := b.CheckStreams(); stored != 20 || err != nil || reason(t, b) != "" {
		t.Fatalf("got %d stored, %v, want 20 and a healthy server", stored, err)
	}
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	stored += enqueue(t, p, "during", 5)
	if got := reason(t, b); got != job.FaultDiskFull {
		t.Errorf("got reason %q, want %q", got, job.FaultDiskFull)
	}
	if err := d.Free(); err != nil {
		t.Fatal(err)
	}
	if err := b.CheckStreams(); err == nil || !strings.Contains(err.Error(), "VEDETTE_ADHOC") || reason(t, b) != "" {
		t.Errorf("got %v, want an error that names the stream, and a directory that can be written", err)
	}
	if again := enqueue(t, p, "after", 1); again != 0 {
		t.Error("got a message stored after a write error, want the server to refuse it: a restart may be needless")
	}
	url := b.URL()
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := b.CheckStreams(); err != nil || b.URL() != url {
		t.Errorf("got %v at %s, want a healthy server at %s", err, b.URL(), url)
	}
	if err := p.Publish(t.Context(), pipeline.Message{Subject: topology.AdhocSubject("here", "last"), Body: []byte("{}")}); err != nil {
		t.Errorf("got %v, want the message stored by the same connection", err)
	}
	if found, err := inspect.Count(t.Context(), p, topology.Adhoc); err != nil || found < uint64(stored)+1 {
		t.Errorf("got %d messages, %v, want all %d that were acknowledged", found, err, stored+1)
	}
}

func TestFaultOfADirectoryHasAReason(t *testing.T) {
	t.Parallel()
	d := mounted(t)
	dir := filepath.Join(d.Dir, "data")
	b, err := broker.Start(broker.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Stop() }() // its directory is gone
	if err := d.ReadOnly(); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, b); got != job.FaultReadOnly {
		t.Errorf("got %q, want %q", got, job.FaultReadOnly)
	}
	if err := d.Writable(); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, b); got != "" {
		t.Errorf("got %q, want none after it was writable again", got)
	}
	if err := d.Empty(); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, b); got != job.FaultDataRemoved {
		t.Errorf("got %q, want %q", got, job.FaultDataRemoved)
	}
}
