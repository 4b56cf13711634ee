package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers"
	"vedette/workers/check"
	"vedette/workers/statuspage"
)

func nowhere() []string { return nil }

// brokenProbe is a probe with a bug. Its name is what the operators have to see.
func brokenProbe(context.Context, job.Spec) (job.ProbeResult, check.Facts) {
	return job.ProbeResult{Cause: nowhere()[3]}, nil
}

// page is what the overview's JSON says of monitors.
func (r *running) page() map[string]statuspage.Row {
	body, _ := r.get("/status.json")
	var status struct{ Monitors []statuspage.Row }
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		return nil
	}
	rows := map[string]statuspage.Row{}
	for _, m := range status.Monitors {
		rows[m.Name] = m
	}
	return rows
}

func TestProbeThatPanicsIsToldToOperatorsAndMakesNothingDown(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, fmt.Sprintf(`
recipients: {day: ops@example.org}
notifications: {group_wait: 0s, group_interval: 0s}
operators: day
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 1, notify: day}
monitors:
  - {name: broken, tcp: %q}
  - {name: one, http: %q}
  - {name: two, http: %q}
  - {name: three, http: %q}
`, box.relay(), strings.TrimPrefix(x.url, "http://"), x.url, x.url, x.url))
	ctx, cancel := context.WithCancel(t.Context())
	options := runOptions{
		data: r.dir, http: r.http, listen: "127.0.0.1:0", logFormat: "text", logLevel: "warn", replicas: 1,
		probes: map[string]check.Probe{job.KindTCP: brokenProbe},
	}
	done := make(chan error, 1)
	go func() { done <- options.run(ctx, r.file, r.output, r.output) }()
	eventually(t, "a mail with the stack", func() bool {
		return box.holds("[VEDETTE] panic", "tcp probe", "index out of range [3]", "vedette.brokenProbe", "supervision_test.go")
	})
	eventually(t, "three checks of each healthy monitor after that", func() bool {
		rows := r.page()
		return rows["one"].Health == job.Up && rows["two"].Health == job.Up && rows["three"].Health == job.Up
	})
	for name, row := range r.page() {
		if row.Missed > 0 {
			t.Errorf("monitor %s: got %d missed slots, want none", name, row.Missed)
		}
		if row.Health == job.Down {
			t.Errorf("monitor %s: got down, want nothing down", name)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
	if got := box.count("ops@example.org", "[DOWN]"); got > 0 {
		t.Errorf("got %d DOWN mails, want none", got)
	}
	if got := box.count("ops@example.org", "[VEDETTE]"); got != 1 {
		t.Errorf("got %d mails to operators, want one for all the panics", got)
	}
}

func TestTreeThatGivesUpEndsTheProcessWithItsOwnCodeAndALastWord(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "monitors.yaml")
	if err := os.WriteFile(path, []byte("operators: day\n"+watching(x, box)), 0o600); err != nil {
		t.Fatal(err)
	}
	var output lockedBuffer
	log, err := logger(&output, "text", "warn")
	if err != nil {
		t.Fatal(err)
	}
	file, err := loadFile(path, &output)
	if err != nil {
		t.Fatal(err)
	}
	options := runOptions{data: dir, http: freeAddress(t), listen: "127.0.0.1:0", replicas: 1}
	p, stop, err := options.open(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := install(t.Context(), p, file, io.Discard); err != nil {
		t.Fatal(err)
	}
	r := &instanceRun{
		options: options, path: path, file: file, pipeline: p, log: log, stdout: &output, stderr: &output,
		board: statuspage.NewBoard(), alerts: workers.NewNoticeSender(p, log), heartbeats: workers.NewHeartbeats(p),
	}
	tree, err := r.tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.serveTree(t.Context(), tree) }()
	failing := supervise.Child{Name: "failing", Service: supervise.ServiceFunc(func(context.Context) error { return errors.New("no more") })}
	eventually(t, "a tree that serves", func() bool { return tree.Add(failing) == nil })
	err = <-done
	exit, ok := errors.AsType[*exitError](err)
	if !ok || exit.code != exitGaveUp {
		t.Errorf("got %v, want exit code %d", err, exitGaveUp)
	}
	lines := strings.Split(strings.TrimSpace(output.String()), "\n")
	last := lines[len(lines)-1]
	for _, part := range []string{"the process ends", "supervisor vedette gave up", "failing", "no more"} {
		if !strings.Contains(last, part) {
			t.Errorf("got last line %q, want %q in it", last, part)
		}
	}
	var kinds []string
	ctx, enough := context.WithTimeout(t.Context(), patience)
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
		t.Errorf("got notices %v, %v, want that it gave up", kinds, err)
	}
}
