package broker_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vedette/pipeline/broker"
)

// write writes a temporary file and returns its path.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.conf")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const someUsers = `
secret = "s3cret"
authorization { users = [ { user: ann, password: $secret } ] }
`

func TestUsersFileReplacesTheSecret(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", UsersFile: write(t, someUsers)})
	if b.Secret() != "" || strings.Contains(b.URL(), "@") {
		t.Errorf("got %q and %q, want neither secret nor credentials", b.Secret(), b.URL())
	}
	address := strings.TrimPrefix(b.URL(), "nats://")
	if got := login(t, address, "ann", "s3cret"); got != "+OK" {
		t.Errorf("got %q for the user in the file, want +OK", got)
	}
	if got := login(t, address, "ann", "wrong"); !strings.Contains(got, "Authorization Violation") {
		t.Errorf("got %q for a wrong password, want a violation", got)
	}
	if got := login(t, address, "", ""); !strings.Contains(got, "Authorization Violation") {
		t.Errorf("got %q without a login, want a violation", got)
	}
}

// login logs in with the NATS protocol, and returns the response.
func login(t *testing.T, address, user, password string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(`CONNECT {"verbose":true,"user":"` + user + `","pass":"` + password + "\"}\r\n")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for text := ""; ; {
		n, err := conn.Read(buffer)
		text += string(buffer[:n])
		lines := strings.Split(text, "\r\n") // the first is the server's INFO
		if len(lines) > 2 || err != nil {
			return lines[min(1, len(lines)-1)]
		}
	}
}

func TestUsersFileMayContainOnlyUsers(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"no user":                "authorization {}",
		"empty":                  "",
		"a listener":             someUsers + "port: 4223",
		"access without a login": someUsers + "no_auth_user: ann",
		"an unused variable":     someUsers + "other = 1",
	} {
		_, err := broker.Start(broker.Config{Dir: t.TempDir(), UsersFile: write(t, content)})
		if !errors.Is(err, broker.ErrUsers) {
			t.Errorf("%s: got %v, want ErrUsers", name, err)
		}
	}
	_, err := broker.Start(broker.Config{Dir: t.TempDir(), UsersFile: "missing.conf"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for a missing file, want os.ErrNotExist", err)
	}
}

func TestClusterErrorListsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := broker.Start(broker.Config{Dir: t.TempDir(), Cluster: &broker.Cluster{Listen: "127.0.0.1:0"}, TLS: &broker.TLS{}})
	if err == nil {
		t.Fatal("got no error, want one")
	}
	for _, part := range []string{"listen address", "routes", "users", "no CA"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to mention %s", err, part)
		}
	}
}

func TestClusterPortInUseIsErrPortTakenWithTheAddress(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().String()
	_, err = broker.Start(broker.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", UsersFile: write(t, someUsers),
		Cluster: &broker.Cluster{Listen: taken, Routes: []string{"nats://" + taken}},
	})
	if !errors.Is(err, broker.ErrPortTaken) || !strings.Contains(err.Error(), taken) {
		t.Errorf("got %v, want ErrPortTaken with %s", err, taken)
	}
}

func TestNodeWithoutItsClusterIsNotHealthy(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Name: "alone", UsersFile: write(t, someUsers),
		Cluster: &broker.Cluster{Listen: "127.0.0.1:0", Routes: []string{"nats://127.0.0.1:1"}},
	})
	if err := b.Healthy(); err == nil {
		t.Error("got a healthy node, want an error before it has joined its cluster")
	}
	if err := start(t, broker.Config{Dir: t.TempDir()}).Healthy(); err != nil {
		t.Errorf("got %v for a single server, want nil", err)
	}
}
