package e2e_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds the wait for an expected event. Only a failing test uses all of it.
const patience = 60 * time.Second

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("got no change for %s, want %s", patience, what)
		case <-look.C:
		}
	}
}

// freeAddress returns an address without a listener.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// running is a vedette instance in a separate process.
type running struct {
	t       *testing.T
	dir     string
	http    string
	file    string
	env     []string // in addition to the test's
	program string   // instead of the usual one
	cmd     *exec.Cmd
	output  *lockedBuffer
}

// newInstance prepares an instance in a test directory; start runs it.
func newInstance(t *testing.T, yaml string) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{t: t, dir: dir, http: freeAddress(t), file: filepath.Join(dir, "monitors.yaml"), output: &lockedBuffer{}}
	r.write(yaml)
	return r
}

func (r *running) write(yaml string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(yaml), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) command(args ...string) *exec.Cmd {
	cmd := exec.Command(cmp.Or(r.program, program), args...)
	cmd.Env = append(os.Environ(), "NATS_URL=")
	cmd.Env = append(cmd.Env, r.env...)
	cmd.Dir = r.dir
	return cmd
}

// vedette runs another command in the instance's directory and returns its output
// and exit code.
func (r *running) vedette(args ...string) (string, int) {
	r.t.Helper()
	return r.within(2*patience, args...)
}

// within is [running.vedette] for a command that takes longer.
func (r *running) within(limit time.Duration, args ...string) (string, int) {
	r.t.Helper()
	cmd, output := r.command(args...), &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		r.t.Fatalf("run vedette %v: %v", args, err)
	}
	if err := waitFor(cmd, limit); cmd.ProcessState.ExitCode() < 0 || dumped(output) {
		r.t.Fatalf("run vedette %v: %v\n%s", args, err, output)
	}
	return output.String(), cmd.ProcessState.ExitCode()
}

// start runs the instance until the end of the test at the latest.
func (r *running) start(flags ...string) {
	r.t.Helper()
	args := append([]string{"run", "--http", r.http, "--nats-listen", "127.0.0.1:0"}, flags...)
	r.launch(r.command(append(args, r.file)...))
}

// limited is [running.start] with a limit for file descriptors.
func (r *running) limited(descriptors int) {
	r.t.Helper()
	cmd := r.command()
	cmd.Path = "/bin/sh"
	cmd.Args = []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, descriptors), program, "run", "--http", r.http, "--nats-listen", "127.0.0.1:0", r.file}
	r.launch(cmd)
}

func (r *running) launch(cmd *exec.Cmd) {
	r.t.Helper()
	r.cmd = cmd
	r.cmd.Stdout, r.cmd.Stderr = r.output, r.output
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if r.t.Failed() {
			r.t.Logf("output of the instance:\n%s", r.output)
		}
	})
}

func (r *running) ready() {
	r.t.Helper()
	eventually(r.t, "a ready instance", func() bool {
		_, code := r.get("/readyz")
		return code == http.StatusOK
	})
}

func (r *running) get(path string) (string, int) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Get("http://" + r.http + path)
	if err != nil {
		return "", 0
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", 0
	}
	return string(body), response.StatusCode
}

// health returns a monitor's health on the status page, if it is there.
func (r *running) health(monitor string) string {
	body, _ := r.get("/status.json")
	var status struct {
		Monitors []struct{ Name, Health string }
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		return ""
	}
	for _, m := range status.Monitors {
		if m.Name == monitor {
			return m.Health
		}
	}
	return ""
}

// limit returns a queue's limit on the status page.
func (r *running) limit(queue string) int {
	body, _ := r.get("/status.json")
	var status struct {
		Queues []struct {
			Name  string
			Limit int
		}
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		return 0
	}
	for _, q := range status.Queues {
		if q.Name == queue {
			return q.Limit
		}
	}
	return 0
}

// kill ends the instance like a power cut.
func (r *running) kill() {
	r.t.Helper()
	if err := r.cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	_ = r.cmd.Wait() // the error is only that it was killed
}

// stop interrupts the instance and checks that it stops cleanly.
func (r *running) stop() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		r.t.Fatal(err)
	}
	if err := waitFor(r.cmd, 2*patience); err != nil {
		r.t.Errorf("got %v, want exit code 0 after an interrupt", err)
	}
	if !strings.Contains(r.output.String(), "stopped cleanly") {
		r.t.Error("got no message about a clean stop")
	}
}

// waitFor waits until a process ends. After the limit, SIGQUIT makes it print its
// goroutines, which helps more than a test that hangs.
func waitFor(cmd *exec.Cmd, limit time.Duration) error {
	cmd.WaitDelay = patience
	last := time.AfterFunc(limit, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	defer last.Stop()
	return cmd.Wait()
}

// dumped reports whether a process has printed its goroutines.
func dumped(output *lockedBuffer) bool { return strings.Contains(output.String(), "SIGQUIT: quit") }

// lockedBuffer collects output from processes.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// target is a web server that can fail. Its address stays the same.
type target struct {
	url string
	mu  sync.Mutex
	ill bool
}

func newTarget(t *testing.T) *target {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &target{url: "http://" + listener.Addr().String()}
	server := &http.Server{Handler: x}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return x
}

func (x *target) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ill {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (x *target) setIll(ill bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ill = ill
}
