package mail_test

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/workers/mail"
)

// postfix is a real Postfix for one test.
type postfix struct {
	dir     string
	port    int
	trusted *x509.CertPool
}

const postfixScript = "../../testdata/postfix.sh"

// startPostfix starts Postfix, with options for the script, until the test ends.
func startPostfix(t *testing.T, options ...string) *postfix {
	t.Helper()
	needPostfix(t)
	p := &postfix{dir: openDir(t), port: freePort(t), trusted: x509.NewCertPool()}
	command := exec.Command(postfixScript, append([]string{"run", p.dir, strconv.Itoa(p.port)}, options...)...)
	var said strings.Builder
	command.Stderr = &said
	input, err := command.StdinPipe() // when it ends, as with this process, Postfix stops
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceValue(func() error { return errors.Join(input.Close(), command.Wait()) })
	if _, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		t.Fatalf("start postfix: %v: %s", stop(), said.String())
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop postfix: %v: %s", err, said.String())
		}
	})
	certificate, err := os.ReadFile(filepath.Join(p.dir, "cert.pem"))
	if err != nil || !p.trusted.AppendCertsFromPEM(certificate) {
		t.Fatalf("got no certificate to trust: %v", err)
	}
	return p
}

// needPostfix skips a test where Postfix cannot run. It fails the test instead
// where VEDETTE_POSTFIX is "required".
func needPostfix(t *testing.T) {
	t.Helper()
	output, err := exec.Command(postfixScript, "check").CombinedOutput()
	switch {
	case err != nil && os.Getenv("VEDETTE_POSTFIX") == "required":
		t.Fatalf("postfix is required, and not there: %v: %s", err, output)
	case err != nil:
		t.Skipf("postfix is not installed: %v: %s", err, output)
	case os.Geteuid() != 0:
		t.Skip("postfix needs root")
	}
}

// openDir is a temporary directory that unprivileged processes can access.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// freePort returns a port below the ephemeral range, so that no connection takes
// it before Postfix does.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(10_000)
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("found no free port")
	return 0
}

// relay returns the settings for it.
func (p *postfix) relay() mail.Relay {
	return mail.Relay{Host: "localhost", Port: p.port, RootCAs: p.trusted, Username: "vedette@example.test", Password: "s3cret"}
}

// mails returns the delivered mails from the Maildir once the queues are empty:
// by then each accepted mail is there.
func (p *postfix) mails(t *testing.T) []string {
	t.Helper()
	p.eventually(t, "an empty queue", func() bool { return p.queued(t) == 0 })
	files, err := filepath.Glob(filepath.Join(p.dir, "mail", "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	mails := make([]string, len(files))
	for i, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mails[i] = string(content)
	}
	return mails
}

// queued counts the queued mails. It reads the queues in the order in which mails
// pass through them, so that it misses none.
func (p *postfix) queued(t *testing.T) int {
	t.Helper()
	found := 0
	for _, queue := range []string{"incoming", "active", "deferred"} {
		err := filepath.WalkDir(filepath.Join(p.dir, "spool", queue), func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				found++
			}
			if errors.Is(err, fs.ErrNotExist) {
				err = nil // it was delivered meanwhile
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// log returns the log lines that contain a text.
func (p *postfix) log(t *testing.T, words string) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(p.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(content)) {
		if strings.Contains(line, words) {
			lines = append(lines, line)
		}
	}
	return lines
}

// sessions returns the ended sessions, each as the log line in which Postfix counts
// its commands. The log lags, but keeps the order.
func (p *postfix) sessions(t *testing.T) []string {
	t.Helper()
	mails := len(p.mails(t))
	p.eventually(t, "the end of all sessions", func() bool {
		begun, ended := len(p.log(t, " connect from ")), len(p.log(t, " disconnect from "))
		return ended > 0 && ended == begun && len(p.log(t, ": removed")) == mails
	})
	return p.log(t, " disconnect from ")
}

// eventually waits for a condition.
func (p *postfix) eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(30 * time.Second); !so(); <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("got nothing in 30 s, want %s; the log says\n%s", what, strings.Join(p.log(t, ""), ""))
		}
	}
}
