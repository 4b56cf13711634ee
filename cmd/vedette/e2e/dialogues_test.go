package e2e_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/workers/check"
)

// lineServer is a server that greets, then answers lines by their beginning; an
// answer "TLS" makes it speak TLS after it said the greeting of that.
func lineServer(t *testing.T, greeting string, config *tls.Config, answers map[string]string) string {
	t.Helper()
	return listen(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, greeting)
		reader := bufio.NewReader(conn)
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			for command, answer := range answers {
				if !strings.HasPrefix(line, command) {
					continue
				}
				_, _ = io.WriteString(conn, answer)
				if command == "STLS" {
					conn = tls.Server(conn, config)
					reader = bufio.NewReader(conn)
				}
			}
		}
	})
}

// listen gives each connection to handle until the test ends.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

func TestReadyMadeDialoguesAreHeldWithServersAsTheyAre(t *testing.T) {
	t.Parallel()
	cert, key := certificateFiles(t, t.TempDir())
	certificate, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(source(t, cert)))
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	mail := new(inbox).Server()
	mail.Domain, mail.TLSConfig = "localhost", config
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = mail.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = listener.Close() // a server that does not serve yet does not know of it
		_ = mail.Close()
		<-done
	})
	imap := lineServer(t, "* OK ready\r\n", nil, map[string]string{"a1 NOOP": "* 3 EXISTS\r\na1 OK done\r\n", "a2 LOGOUT": "* BYE\r\na2 OK bye\r\n"})
	behind := listen(t, func(conn net.Conn) { pipe(tls.Server(conn, config), imap) })
	servers := map[string]string{
		"smtp":  listener.Addr().String(),
		"imap":  behind,
		"pop3":  lineServer(t, "+OK ready\r\n", config, map[string]string{"STLS": "+OK begin\r\n", "QUIT": "+OK bye\r\n"}),
		"ssh":   lineServer(t, "Welcome\r\nSSH-2.0-OpenSSH_9.9 Debian\r\n", nil, nil),
		"redis": lineServer(t, "", nil, map[string]string{"PING": "+PONG\r\n"}),
	}
	checker, err := check.New(check.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "testdata", "dialogues", "*.yaml"))
	if err != nil || len(paths) != len(servers) {
		t.Fatalf("got %v, %v, want a file for each of %v", paths, err, servers)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			file, err := cli.LoadFile(path, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			var spec job.Spec
			file.Encoded.All(func(id compact.ID) bool {
				m, err := job.Decode[job.Monitor](file.Encoded.Text(id))
				if err != nil {
					t.Fatal(err)
				}
				spec = m.Spec
				return false
			})
			spec.TCP.Address = servers[strings.TrimSuffix(filepath.Base(path), ".yaml")]
			spec.Timeout = job.Duration(10 * time.Second)
			for i, e := range spec.Expect { // the certificate of the test is for a day
				spec.Expect[i] = strings.ReplaceAll(e, "168h", "1h")
			}
			if got := checker.Check(t.Context(), spec); got.Health != job.Up {
				t.Errorf("got %s %s %s, want up", got.Health, got.Class, got.Cause)
			}
			spec.TCP.Address = lineServer(t, "nonsense\r\n", nil, nil)
			spec.Timeout = job.Duration(300 * time.Millisecond)
			if got := checker.Check(t.Context(), spec); got.Health != job.Down {
				t.Errorf("got %s of a server that talks nonsense, want down", got.Health)
			}
		})
	}
}

// pipe connects a connection with a server until either ends.
func pipe(conn net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, conn); server.Close() }()
	_, _ = io.Copy(conn, server)
}
