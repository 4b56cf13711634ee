package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/cmd/vedette/internal/instance"
)

// dkimFile writes the key file for a monitor file.
func dkimFile(t *testing.T, dir string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dkim.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// relay is an SMTP server that keeps what clients send.
type relay struct {
	line string // as in a monitor file
	mu   sync.Mutex
	sent bytes.Buffer
}

func (r *relay) Write(part []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent.Write(part)
}

func (r *relay) received() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent.String()
}

// recordedConn is a connection with another source for its input.
type recordedConn struct {
	net.Conn

	input io.Reader
}

func (c recordedConn) Read(part []byte) (int, error) { return c.input.Read(part) }

func newRelay(t *testing.T) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(listener.Addr().String())
	r := &relay{line: "{host: " + host + ", port: " + port + ", tls: none}"}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				harness.Relay{}.Serve(recordedConn{conn, io.TeeReader(conn, r)})
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	return r
}

func TestMailTestLooksUpDKIMRecord(t *testing.T) {
	t.Parallel()
	relay, dir := newRelay(t), t.TempDir()
	dkimFile(t, dir)
	path := filepath.Join(dir, "m.yaml")
	text := "mail: {from: V <v@example.org>, relays: [" + relay.line + "], dkim: {selector: v1, key_file: dkim.pem}}\nmonitors: []\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := cli.LoadFile(path, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := instance.DKIMKey(file.Mail)
	if err != nil {
		t.Fatal(err)
	}
	_, record, err := key.Record()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		found []string
		err   error
		want  string
		good  bool
	}{
		{[]string{"v=spf1 -all", strings.Replace(record, "; ", " ;\t", 2)}, nil, "published     yes", true},
		{[]string{"v=DKIM1; k=ed25519; p=AAAA"}, nil, "no: the DNS has another record, v=DKIM1", false},
		{nil, &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, "no: the DNS has no record", false},
		{nil, errors.New("no answer"), "unknown: no answer", false},
	} {
		var out bytes.Buffer
		test := relayTest{file: file.Mail, to: "you@example.org", out: &out, lookup: func(_ context.Context, name string) ([]string, error) {
			if name != "v1._domainkey.example.org" {
				t.Errorf("got a lookup for %s, want the selector below the sender's domain", name)
			}
			return c.found, c.err
		}}
		err := test.run(t.Context())
		if (err == nil) != c.good || !strings.Contains(out.String(), c.want) || !strings.Contains(out.String(), "accepted ") {
			t.Errorf("%v: got %v\n%s\nwant %q and an accepted mail", c.found, err, &out, c.want)
		}
		test.json = true
		out.Reset()
		if err := test.run(t.Context()); (err == nil) != c.good || !strings.Contains(out.String(), `"dkim":"v1._domainkey.example.org"`) {
			t.Errorf("%v: got %v %s, want a line of JSON", c.found, err, &out)
		}
	}
	if got := relay.received(); !strings.Contains(got, "DKIM-Signature: a=ed25519-sha256") || !strings.Contains(got, "d=example.org") {
		t.Error("got no signed mail")
	}
}

func TestValidateRefusesInvalidDKIMKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "m.yaml")
	for name, text := range map[string]string{
		"m.yaml": "mail:\n  from: v@example.org\n  dkim: {selector: v1, key_file: dkim.pem}\nmonitors: []\n", "dkim.pem": "hunter2",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, stderr, code := execute(t, "validate", path)
	for _, want := range []string{"m.yaml:3:34: mail.dkim.key_file", "found no PEM", "openssl genpkey"} {
		if code != cli.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("got %d %s, want %q in it", code, stderr, want)
		}
	}
	if strings.Contains(stderr, "hunter2") {
		t.Error("got what the file holds in the message, want it kept secret")
	}
}
