package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline/job"
	"vedette/workers/check"
	"vedette/workers/web"
)

func nowhere() []string { return nil }

// brokenProbe is a probe with a bug. Its name is what the operators have to see.
func brokenProbe(context.Context, job.Spec) (job.ProbeResult, check.Facts) {
	return job.ProbeResult{Cause: nowhere()[3]}, nil
}

// page is what the overview's JSON says of monitors.
func (r *running) page() map[string]web.Row {
	body, _ := r.get("/status.json")
	var status struct{ Monitors []web.Row }
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		return nil
	}
	rows := map[string]web.Row{}
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
`, box.Relay(), strings.TrimPrefix(x.url, "http://"), x.url, x.url, x.url))
	ctx, cancel := context.WithCancel(t.Context())
	options := instance.Options{
		Data: r.dir, HTTP: r.http, Listen: "127.0.0.1:0", LogFormat: "text", LogLevel: "warn", Replicas: 1,
		Probes: map[string]check.Probe{job.KindTCP: brokenProbe},
	}
	done := make(chan error, 1)
	go func() { done <- options.Run(ctx, r.file, r.output, r.output) }()
	eventually(t, "a mail with the stack", func() bool {
		return box.Holds("[VEDETTE] panic", "tcp probe", "index out of range [3]", "e2e_test.brokenProbe", "supervision_test.go")
	})
	eventually(t, "three checks of each healthy monitor after that", func() bool {
		rows := r.page()
		return rows["one"].Health == job.Up && rows["two"].Health == job.Up && rows["three"].Health == job.Up
	})
	for name, row := range r.page() {
		if row.MissedSlots > 0 {
			t.Errorf("monitor %s: got %d missed slots, want none", name, row.MissedSlots)
		}
		if row.Health == job.Down {
			t.Errorf("monitor %s: got down, want nothing down", name)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
	if got := box.Count("ops@example.org", "[DOWN]"); got > 0 {
		t.Errorf("got %d DOWN mails, want none", got)
	}
	if got := box.Count("ops@example.org", "[VEDETTE]"); got != 1 {
		t.Errorf("got %d mails to operators, want one for all the panics", got)
	}
}
