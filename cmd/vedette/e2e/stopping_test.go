package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
)

// moment is a point in the life of a process.
type moment struct {
	args    []string
	reached func(t *testing.T, c *child)
}

// exists is reached when files exist in the process's directory.
func exists(pattern string) func(*testing.T, *child) {
	return func(t *testing.T, c *child) {
		t.Helper()
		eventually(t, "a file "+pattern, func() bool {
			found, err := filepath.Glob(filepath.Join(c.cmd.Dir, pattern))
			return err == nil && len(found) > 0
		})
	}
}

// printed is reached when the process has printed a text.
func printed(text string) func(*testing.T, *child) {
	return func(t *testing.T, c *child) { t.Helper(); c.says(t, text) }
}

// answering is reached when the process answers at an address.
func answering(address string) func(*testing.T, *child) {
	return func(t *testing.T, _ *child) {
		t.Helper()
		eventually(t, "a ready process", func() bool { return answers("http://" + address + "/readyz") })
	}
}

// silentServer accepts connections and says nothing. dialled is reached after so
// many.
func silentServer(t *testing.T, dials int, hangUp bool) (url string, dialled func(*testing.T, *child)) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 100)
	go func() {
		defer close(accepted)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if hangUp {
				_ = conn.Close()
			}
			accepted <- conn
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		for conn := range accepted {
			_ = conn.Close()
		}
	})
	return "nats://" + listener.Addr().String(), func(t *testing.T, _ *child) {
		t.Helper()
		for range dials {
			select {
			case conn := <-accepted:
				t.Cleanup(func() { _ = conn.Close() })
			case <-time.After(patience):
				t.Fatal("got no connection, want one")
			}
		}
	}
}

// namedPipe makes a named pipe; opened is reached when the process reads it.
func namedPipe(t *testing.T) (path string, opened func(*testing.T, *child)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "monitors.yaml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, func(t *testing.T, _ *child) {
		t.Helper()
		writer, err := os.OpenFile(path, os.O_WRONLY, 0) // waits for the reader
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = writer.Close() })
	}
}

// moments returns the commands that run until they are stopped, and their moments.
func moments(t *testing.T) map[string]moment {
	t.Helper()
	few := write(t, t.TempDir(), "monitors: [{name: a, tcp: \"127.0.0.1:1\"}]\n")
	var lines strings.Builder
	for n := range 30_000 {
		fmt.Fprintf(&lines, "{\"name\": \"m-%d\", \"tcp\": \"127.0.0.1:1\", \"interval\": \"24h\"}\n", n)
	}
	many := write(t, t.TempDir(), "monitors_file: lines.ndjson\n")
	if err := os.WriteFile(filepath.Join(filepath.Dir(many), "lines.ndjson"), []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	file, reading := namedPipe(t)
	workerFile, workerReading := namedPipe(t)
	silent, connecting := silentServer(t, 1, false)
	gone, redialled := silentServer(t, 3, true)
	silentToo, workerConnecting := silentServer(t, 1, false)
	empty := "nats://" + natsServer(t, "")
	run := func(more ...string) []string {
		return append([]string{"run", "--http", freeAddress(t), "--nats-listen", "127.0.0.1:0"}, more...)
	}
	page, health := freeAddress(t), freeAddress(t)
	node := clusterNode{"n1", lastingAddress(t), lastingAddress(t), ""}
	users := write(t, t.TempDir(), "authorization { users = [ { user: ann, password: a } ] }")
	return map[string]moment{
		"run reads its file":                  {run(file), reading},
		"run opens its data directory":        {run(few), exists("vedette-data/lock")},
		"run stores many monitors":            {run(many), exists("vedette-data/jetstream/*/*/streams/*MONITOR*")},
		"run connects to a silent server":     {run("--nats", silent, few), connecting},
		"run connects to a server that fails": {run("--nats", gone, few), redialled},
		"run watches":                         {append(run(few), "--http", page), answering(page)},
		"worker reads its file":               {[]string{"worker", "--nats", silent, workerFile}, workerReading},
		"worker connects to a silent server":  {[]string{"worker", "--nats", silentToo}, workerConnecting},
		"worker waits for the installation":   {[]string{"worker", "--nats", empty}, printed("waiting for 'vedette run FILE'")},
		"server opens its data directory":     {[]string{"server", "--http", "", "--listen", "127.0.0.1:0"}, exists("vedette-data/lock")},
		"server waits for its cluster": {
			[]string{"server", "--http", "", "--listen", node.listen, "--cluster", node.routes, "--routes", "nats://127.0.0.1:1,nats://127.0.0.1:2", "--users", users},
			printed("vedette serves NATS"),
		},
		"server serves": {[]string{"server", "--http", health, "--listen", "127.0.0.1:0"}, answering(health)},
	}
}

// SIGHUP never ends a process, two signals at once are one, and the last line says
// why the process ended.
func TestSignalsAtAnyMomentStopCleanly(t *testing.T) {
	t.Parallel()
	for name, m := range moments(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := spawn(t, t.TempDir(), m.args...)
			m.reached(t, c)
			for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGTERM} {
				if err := c.cmd.Process.Signal(s); err != nil {
					t.Fatalf("got %v before %v, want a running process\n%s", err, s, c.output)
				}
			}
			if err := waitFor(c.cmd, 2*patience); err != nil || lastLine(c) != "vedette stopped cleanly: SIGTERM" {
				t.Errorf("got %v and last line %q, want a clean stop and its reason\n%s", err, lastLine(c), c.output)
			}
		})
	}
}

func lastLine(c *child) string {
	lines := strings.Split(strings.TrimSpace(c.output.String()), "\n")
	return lines[len(lines)-1]
}

// stopping starts a run with a check that does not end, and asks it to stop. The
// returned function ends the check.
func stopping(t *testing.T) (c *child, asked time.Time, release func()) {
	t.Helper()
	hold, held := make(chan struct{}), make(chan struct{}, 100)
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		held <- struct{}{}
		<-hold
	}))
	dir, address := t.TempDir(), freeAddress(t)
	yaml := "server: {grace: 50s}\nmonitors:\n"
	for n := range 60 { // their slots are spread over the interval
		yaml += fmt.Sprintf("- {name: slow-%d, http: %q, interval: 60s, timeout: 55s}\n", n, target.URL)
	}
	file := write(t, dir, yaml)
	c = spawn(t, dir, "run", "--http", address, "--nats-listen", "127.0.0.1:0", file)
	t.Cleanup(target.Close) // after release
	closed := false
	release = func() {
		if !closed {
			closed = true
			close(hold)
		}
	}
	t.Cleanup(release)
	select {
	case <-held:
	case <-time.After(2 * patience):
		t.Fatal("got no check, want one")
	}
	asked = time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a stopping process", func() bool { return !answers("http://" + address + "/readyz") })
	return c, asked, release
}

func TestSecondSignalAtOnceIsTheSameRequest(t *testing.T) {
	t.Parallel()
	c, asked, release := stopping(t)
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(asked); took > 400*time.Millisecond {
		t.Skipf("this machine took %s for a second signal, which makes it another request", took)
	}
	release()
	if err := waitFor(c.cmd, 2*patience); err != nil || lastLine(c) != "vedette stopped cleanly: SIGTERM" {
		t.Errorf("got %v, want a clean stop\n%s", err, c.output)
	}
}

func TestLaterSecondSignalEndsAtOnceAndSaysSo(t *testing.T) {
	t.Parallel()
	c, asked, _ := stopping(t)
	<-time.After(600*time.Millisecond - time.Since(asked)) // the second request comes later: that is the test
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := waitFor(c.cmd, patience/2)
	if c.cmd.ProcessState.ExitCode() != cli.ExitFailed || !strings.HasPrefix(lastLine(c), "vedette: ended at once by a second signal, SIGINT") {
		t.Errorf("got %v, want exit code %d and its reason\n%s", err, cli.ExitFailed, c.output)
	}
}

// A process whose output has lost its reader works on.
func TestBrokenPipeDoesNotEndAProcess(t *testing.T) {
	t.Parallel()
	dir, address, x := t.TempDir(), freeAddress(t), newTarget(t)
	file := write(t, dir, fmt.Sprintf("defaults: {interval: 1s, timeout: 800ms, failure_threshold: 1}\nmonitors: [{name: a, http: %q}]\n", x.url))
	r := &running{t: t, dir: dir, http: address, file: file}
	cmd := r.command("run", "--http", address, "--nats-listen", "127.0.0.1:0", file)
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	if err := output.Close(); err != nil {
		t.Fatal(err)
	}
	r.ready()
	x.setIll(true) // which prints a line
	eventually(t, "a monitor that is down", func() bool { return r.health("a") == "down" })
	x.setIll(false)
	eventually(t, "a monitor that is up", func() bool { return r.health("a") == "up" })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(cmd, 2*patience); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
}

func TestServerReadsItsUsersAgainAtSIGHUP(t *testing.T) {
	t.Parallel()
	dir, address := t.TempDir(), lastingAddress(t)
	use := func(users string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "users.conf"), []byte(users), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const ann = "{ user: ann, password: a }"
	use("authorization { users = [ " + ann + " ] }")
	server := spawn(t, dir, "server", "--http", "", "--listen", address, "--users", "users.conf")
	server.says(t, "vedette serves NATS")
	hangUp := func(says string) {
		t.Helper()
		if err := server.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		server.says(t, says)
	}
	bob := func() string {
		_, stderr, _ := vedette(t, "ps", "--nats", "nats://bob:b@"+address)
		return stderr
	}
	if got := bob(); !strings.Contains(got, "does not know the user") {
		t.Errorf("got %q, want an unknown user", got)
	}
	use("authorization { users = [ " + ann + ", { user: bob, password: b } ] }")
	hangUp("vedette has read the users in users.conf again")
	if got := bob(); strings.Contains(got, "does not know the user") {
		t.Errorf("got %q, want a known user", got)
	}
	use("")
	hangUp("vedette: users.conf was not applied; nothing has changed")
	if got := bob(); strings.Contains(got, "does not know the user") {
		t.Errorf("got %q, want a known user after an empty file", got)
	}
	server.stop(t)
}
