package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/broker"
)

func TestReloadChangesUsersAndKeepsStreams(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users.conf")
	use := func(users string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("authorization { users = ["+users+"] }"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ann, bob := "{ user: ann, password: a }", "{ user: bob, password: b }"
	use(ann)
	b := start(t, broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", UsersFile: path})
	address := strings.TrimPrefix(b.URL(), "nats://")
	conn, err := nats.Connect(b.URL(), nats.UserInfo("ann", "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	publish := func(what string) {
		t.Helper()
		if _, err := js.Publish(t.Context(), "s", nil); err != nil {
			t.Errorf("%s: got %v, want a stored message", what, err)
		}
	}
	publish("before")

	use(ann + ", " + bob)
	if err := b.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := login(t, address, "bob", "b"); got != "+OK" {
		t.Errorf("got %q for a new user, want +OK", got)
	}
	publish("with a new user")
	if conn.Reconnects != 0 {
		t.Errorf("got %d reconnects, want the connection of an unchanged user to stay", conn.Reconnects)
	}

	use("{ user: ann")
	if err := b.Reload(); err == nil {
		t.Error("got no error for a file with a mistake")
	}
	use("")
	if err := b.Reload(); !errors.Is(err, broker.ErrUsers) {
		t.Errorf("got %v, want ErrUsers for a file without users", err)
	}
	publish("after two refused files")

	use(ann)
	if err := b.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := login(t, address, "bob", "b"); !strings.Contains(got, "Authorization Violation") {
		t.Errorf("got %q for a removed user, want a violation", got)
	}
	publish("without the new user")
}

func TestReloadWithoutUsersFileIsNothing(t *testing.T) {
	t.Parallel()
	if err := start(t, broker.Config{Dir: t.TempDir()}).Reload(); !errors.Is(err, broker.ErrNothingToReload) {
		t.Errorf("got %v, want ErrNothingToReload", err)
	}
}
