package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsServer runs an external nats-server with JetStream and the given additional
// configuration on a free port, and returns its host and port. It ends with the
// test.
func natsServer(tb testing.TB, config string) string {
	tb.Helper()
	dir := tb.TempDir()
	path := filepath.Join(dir, "nats-server.conf")
	config = "listen: 127.0.0.1:-1\nmax_payload: 8MB\njetstream { store_dir: \"" + filepath.Join(dir, "jetstream") + "\" }\n" + config
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	options, err := server.ProcessConfigFile(path)
	if err != nil {
		tb.Fatalf("read nats-server configuration: %v\n%s", err, config)
	}
	options.NoSigs, options.NoLog = true, true
	s, err := server.NewServer(options)
	if err != nil {
		tb.Fatalf("create nats-server: %v", err)
	}
	s.Start()
	tb.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(30 * time.Second) {
		tb.Fatal("start nats-server: not ready after 30s")
	}
	return s.Addr().String()
}
