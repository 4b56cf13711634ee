package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers/web"
)

// giving is the file for an instance that gives up. Its mails go to the Maildir.
const giving = `operators: day
recipients: {day: ops@example.org}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 1, notify: day}
monitors:
  - {name: website, http: %q}
`

func TestTreeThatGivesUpEndsTheProcessWithANotice(t *testing.T) {
	t.Parallel()
	target := httptest.NewServer(http.NotFoundHandler())
	defer target.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "monitors.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, giving, target.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	log, err := cli.Logger(output, "text", "warn")
	if err != nil {
		t.Fatal(err)
	}
	file, err := cli.LoadFile(path, output)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Data: dir, HTTP: "127.0.0.1:0", Listen: "127.0.0.1:0", Replicas: 1}
	r := &instanceRun{options: options, path: path, file: file, log: log, stdout: output, stderr: output, table: web.NewMonitorTable()}
	stop, err := options.open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	p := r.pipeline
	r.prepare()
	if err := r.install(t.Context()); err != nil {
		t.Fatal(err)
	}
	tree, err := r.tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.serveTree(t.Context(), tree) }()
	failing := supervise.Child{Name: "failing", Service: supervise.ServiceFunc(func(context.Context) error { return errors.New("no more") })}
	limit, look := time.After(time.Minute), time.Tick(20*time.Millisecond)
	for tree.Add(failing) != nil {
		select {
		case <-limit:
			t.Fatal("got no running tree within a minute, want one")
		case <-look:
		}
	}
	err = <-done
	if code := cli.PrintError(io.Discard, err); code != cli.ExitFailed {
		t.Errorf("got %v, exit code %d, want %d", err, code, cli.ExitFailed)
	}
	text, err := os.ReadFile(output.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := lines[len(lines)-1]
	for _, part := range []string{"process ends", "supervisor vedette gave up", "failing", "no more"} {
		if !strings.Contains(last, part) {
			t.Errorf("got last line %q, want %q in it", last, part)
		}
	}
	var kinds []string
	ctx, enough := context.WithTimeout(t.Context(), time.Minute)
	defer enough()
	err = inspect.Tail(ctx, p, topology.Notice, time.Hour, func(d pipeline.Delivery) {
		notice, err := job.Decode[job.Notice](d.Body)
		if err != nil {
			t.Error(err)
		}
		kinds = append(kinds, string(notice.Kind))
		enough()
	})
	if err != nil || fmt.Sprint(kinds) != "[gave_up]" {
		t.Errorf("got notices %v, %v, want gave_up", kinds, err)
	}
}
