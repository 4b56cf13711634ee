package pipeline_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/pipelinetest"
)

func TestPrefixIsRefusedUnlessItIsAToken(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	for _, prefix := range []string{"a.b", "A", "a b", ">"} {
		_, err := pipeline.Connect(t.Context(), pipeline.Config{InProcess: b, Prefix: prefix})
		if err == nil || !strings.Contains(err.Error(), prefix) {
			t.Errorf("got %v, want an error that shows %q", err, prefix)
		}
	}
}

func TestTwoInstallationsShareAServer(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	for _, prefix := range []string{"one", "two"} {
		p := pipelinetest.Connect(t, b, pipeline.Config{Prefix: prefix})
		if err := p.Ensure(t.Context()); err != nil {
			t.Fatalf("install %s: %v", prefix, err)
		}
		pipelinetest.Put(t, p, "same")
	}
}

func TestWrongSecretIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatalf("start broker: %v", err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	ctx, cancel := context.WithTimeout(t.Context(), pipelinetest.Patience)
	defer cancel()
	_, err = pipeline.Connect(ctx, pipeline.Config{URL: strings.Replace(b.URL(), b.Secret(), "wrong", 1)})
	if !errors.Is(err, pipeline.ErrUnknownUser) || ctx.Err() != nil {
		t.Errorf("got %v, want ErrUnknownUser before the deadline", err)
	}
}

func TestServerThatIsTooOldIsRefusedWithItsVersion(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, `INFO {"server_id":"old","version":"2.13.9","proto":1,"headers":true,"max_payload":1048576}`+"\r\n")
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			if strings.Contains(string(buffer[:n]), "PING") {
				_, _ = io.WriteString(conn, "PONG\r\n")
			}
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	_, err = pipeline.Connect(t.Context(), pipeline.Config{URL: "nats://" + listener.Addr().String()})
	if !errors.Is(err, pipeline.ErrServerTooOld) || !strings.Contains(err.Error(), "2.13.9") {
		t.Errorf("got %v, want ErrServerTooOld with the version", err)
	}
}
