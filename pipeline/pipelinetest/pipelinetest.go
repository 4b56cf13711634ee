// Package pipelinetest provides a pipeline for a test: a real nats-server in the
// test process, with a temporary data directory.
package pipelinetest

import (
	"cmp"
	"log/slog"
	"testing"

	"vedette/pipeline"
	"vedette/pipeline/broker"
)

// New starts a broker without a socket, creates the streams and returns a
// connection. All of it ends with the test. Shards defaults to 4, to keep the
// test small; other zero fields keep their defaults.
func New(tb testing.TB, config pipeline.Config) *pipeline.Pipeline {
	tb.Helper()
	return installed(tb, Broker(tb), config)
}

// Listening starts a broker that other processes can reach, installs the streams
// and opens a connection.
func Listening(tb testing.TB) (*broker.Broker, *pipeline.Pipeline) {
	tb.Helper()
	b := start(tb, "127.0.0.1:0")
	return b, installed(tb, b, pipeline.Config{Process: "test"})
}

func installed(tb testing.TB, b *broker.Broker, config pipeline.Config) *pipeline.Pipeline {
	tb.Helper()
	p := Connect(tb, b, config)
	if err := p.Ensure(tb.Context()); err != nil {
		tb.Fatalf("create streams: %v", err)
	}
	return p
}

// Broker starts a broker without a socket that ends with the test.
func Broker(tb testing.TB) *broker.Broker {
	tb.Helper()
	return start(tb, "")
}

func start(tb testing.TB, listen string) *broker.Broker {
	tb.Helper()
	b, err := broker.Start(broker.Config{Dir: tb.TempDir(), Listen: listen})
	if err != nil {
		tb.Fatalf("start broker: %v", err)
	}
	tb.Cleanup(func() {
		if err := b.Stop(); err != nil {
			tb.Errorf("stop broker: %v", err)
		}
	})
	return b
}

// Connect opens another connection to a test's broker, like a separate process. It
// ends with the test.
func Connect(tb testing.TB, b *broker.Broker, config pipeline.Config) *pipeline.Pipeline {
	tb.Helper()
	config.InProcess, config.User, config.Password = b, broker.User, b.Secret()
	return connect(tb, config)
}

func connect(tb testing.TB, config pipeline.Config) *pipeline.Pipeline {
	tb.Helper()
	config.Shards = cmp.Or(config.Shards, 4)
	if config.Logger == nil {
		config.Logger = slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	p, err := pipeline.Connect(tb.Context(), config)
	if err != nil {
		tb.Fatalf("connect to broker: %v", err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("close connection: %v", err)
		}
	})
	return p
}
