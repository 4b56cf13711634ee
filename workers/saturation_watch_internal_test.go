package workers

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
	"vedette/workers/check"
)

// silentTarget accepts connections and never responds.
func silentTarget(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // the system accepts for it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String() + "/"
}

// oneSlot serves checks with a single slot, in this process only, and returns
// when the process reports its status.
func oneSlot(t *testing.T, p *pipeline.Pipeline) {
	t.Helper()
	checker, err := check.New(check.Config{})
	if err != nil {
		t.Fatal(err)
	}
	work, err := New(Config{Pipeline: p, Stages: []string{StageCheck}, Prober: checker, Limits: Limits{Checks: 1}, Grace: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	presence := process.NewPresence(p, process.Config{
		Version: "1.0.0", Stages: []string{StageCheck}, Location: job.DefaultLocation,
		Children: func() []job.ChildStatus { return work.Status(work.Children()) },
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- work.Serve(ctx) }()
	go func() { ended <- presence.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	awaitThat(t, "a process that reports its status", func() bool {
		found, _, err := process.Ask(t.Context(), p, time.Second)
		return err == nil && len(found) == 1 && len(poolNames(found[0].Children)) == 3
	})
}

func awaitThat(t *testing.T, want string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("got no change for a minute, want %s", want)
		case <-ticker.C:
		}
	}
}

func TestLackOfCapacityForChecksIsReportedOnce(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "host-1"})
	oneSlot(t, p)
	w := &saturationWatch{shared: &shared{p: p, log: slog.New(slog.DiscardHandler)}, waited: map[string]int{}}
	checkThrice := func(now time.Time) {
		t.Helper()
		for range saturationPolls {
			if err := w.check(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
	}
	now := time.Now()
	checkThrice(now)
	if found := notices(t, p); len(found) > 0 {
		t.Fatalf("got %+v, want nothing while no check waits", found)
	}

	// The first check holds the slot, the others wait behind it.
	target := silentTarget(t)
	for i := range 3 {
		name := fmt.Sprintf("m%d", i)
		queued := job.Check{
			V: 1, Monitor: name, Slot: now.UTC().Truncate(time.Second), Location: job.DefaultLocation,
			Spec: job.Spec{HTTP: &job.HTTP{URL: target}, Timeout: job.Duration(time.Minute)},
		}
		publishJSON(t, p, topology.CheckSubject(job.DefaultLocation, name), queued)
	}
	awaitThat(t, "one running and two waiting checks", func() bool {
		waiting, oldest, err := inspect.Waiting(t.Context(), p, topology.CheckConsumer(job.DefaultLocation), time.Now())
		return err == nil && waiting == 2 && oldest > 0
	})
	checkThrice(now)
	if found := notices(t, p); len(found) > 0 {
		t.Fatalf("got %+v, want nothing while no slot is missed", found)
	}

	publishJSON(t, p, topology.ResultSubject(0), job.Results{V: 1, Results: []job.Result{{
		Monitor: "m9", Slot: now.UTC().Truncate(time.Second), Location: job.DefaultLocation,
		Miss: &job.Miss{Reason: job.MissExpired, Count: 1, Last: now.UTC().Truncate(time.Second)},
	}}})
	checkThrice(now)
	checkThrice(now)
	found := notices(t, p)
	if len(found) != 1 || found[0].Kind != job.NoticeSaturated ||
		!strings.Contains(found[0].Summary, "checks at location default: 1 of 1 slots busy, 2 waiting") ||
		!strings.Contains(found[0].Detail, "(1 expired)\nraise workers.checks from 1 to ") {
		t.Errorf("got %+v, want one notice with figures and advice", found)
	}
}

func publishJSON(t *testing.T, p *pipeline.Pipeline, subject string, value any) {
	t.Helper()
	body, err := job.Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), pipeline.Message{Subject: subject, Body: body}); err != nil {
		t.Fatal(err)
	}
}

// notices returns the stored notices.
func notices(t *testing.T, p *pipeline.Pipeline) []job.Notice {
	t.Helper()
	var found []job.Notice
	if _, err := inspect.ReadSince(t.Context(), p, topology.Notice, time.Hour, func(d pipeline.Delivery) {
		n, err := job.Decode[job.Notice](d.Body)
		if err != nil {
			t.Error(err)
		}
		found = append(found, n)
	}); err != nil {
		t.Fatal(err)
	}
	return found
}
