package broker_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"vedette/pipeline/broker"
)

func start(t *testing.T, config broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Start(config)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return b
}

func TestOnlyOneBrokerCanUseADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, broker.Config{Dir: dir})
	if _, err := broker.Start(broker.Config{Dir: dir}); !errors.Is(err, broker.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}

func TestPortInUseIsErrPortTaken(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dir := t.TempDir()
	if _, err := broker.Start(broker.Config{Dir: dir, Listen: listener.Addr().String()}); !errors.Is(err, broker.ErrPortTaken) {
		t.Errorf("got %v, want ErrPortTaken", err)
	}
	start(t, broker.Config{Dir: dir}) // the failed start unlocked the directory
}

func TestSecretPersistsAndOnlyItsOwnerCanReadIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := broker.Start(broker.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	secret := first.Secret()
	found, err := broker.FindURL(dir)
	if err != nil || found != first.URL() {
		t.Errorf("got %q, %v, want %q", found, err, first.URL())
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if second := start(t, broker.Config{Dir: dir}); second.Secret() != secret || len(secret) < 32 {
		t.Errorf("got %q after a restart, want the same secret with 32 letters", second.Secret())
	}
	for _, name := range []string{"nats.secret", "nats.url"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s: got mode %o, want 600", name, got)
		}
	}
}

func TestFindURLOfAnUnusedDirectoryIsErrNotRunning(t *testing.T) {
	t.Parallel()
	if _, err := broker.FindURL(t.TempDir()); !errors.Is(err, broker.ErrNotRunning) {
		t.Errorf("got %v, want ErrNotRunning", err)
	}
}
