package process_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
)

// present makes a process known until the function that it returns is called.
func present(t *testing.T, p *pipeline.Pipeline, version string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	presence := process.NewPresence(p, process.Config{Version: version, Stages: []string{"check"}, Location: "here", Children: func() []job.ChildStatus {
		return []job.ChildStatus{{Name: "workers", State: "running", Incarnation: 1}}
	}})
	go func() { done <- presence.Serve(ctx) }()
	left := false
	leave = func() {
		if left {
			return
		}
		left = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v from a presence, want nil", err)
		}
	}
	t.Cleanup(leave)
	return leave
}

// ask returns the names of the processes that answer, and of those that do not.
func ask(t *testing.T, p *pipeline.Pipeline, wait time.Duration) string {
	t.Helper()
	answers, silent, err := process.Ask(t.Context(), p, wait)
	if err != nil {
		t.Fatal(err)
	}
	var names, quiet []string
	for _, a := range answers {
		names = append(names, a.Process.Name)
		if len(a.Children) != 1 || a.Process.PID == 0 || a.Process.Host == "" || a.Process.Started.IsZero() {
			t.Errorf("got %+v, want the whole answer", a)
		}
	}
	for _, s := range silent {
		quiet = append(quiet, s.Name)
	}
	return fmt.Sprint(names, quiet)
}

func TestProcessesAreFoundWhileTheyAreThere(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	p := pipelinetest.Connect(t, b, pipeline.Config{Process: "asker"})
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, p, time.Second); got != "[] []" {
		t.Errorf("got %s, want none", got)
	}
	leaveA := present(t, pipelinetest.Connect(t, b, pipeline.Config{Process: "a"}), "1.2.3")
	present(t, pipelinetest.Connect(t, b, pipeline.Config{Process: "b"}), "(devel)")
	stranger := pipelinetest.Connect(t, b, pipeline.Config{Process: "stranger", Prefix: "other"}) // of another installation
	if err := stranger.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	present(t, stranger, "1.2.3")
	pipelinetest.Eventually(t, "both processes", func() bool { return ask(t, p, time.Second) == "[a b] []" })
	leaveA()
	if got := ask(t, p, time.Second); got != "[b] []" {
		t.Errorf("got %s, want no trace of a", got)
	}

	leases, err := p.Bucket(t.Context(), topology.Processes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leases.Put(t.Context(), "dead", []byte(`{"v":1,"id":"dead","name":"c","host":"h","pid":1,"version":"","started":"2026-03-01T12:00:00Z"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := leases.Put(t.Context(), "newer", []byte(`{"v":99}`)); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, p, 300*time.Millisecond); got != "[b] [c newer]" {
		t.Errorf("got %s, want that two are silent", got)
	}
}

func TestProcessesSpeakTheProtocolForServices(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	p := pipelinetest.Connect(t, b, pipeline.Config{Process: "a"})
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	present(t, p, "v1.2.3-0.2026")
	pipelinetest.Eventually(t, "the process", func() bool { return ask(t, p, time.Second) == "[a] []" })
	conn, err := nats.Connect("", nats.InProcessServer(b), nats.UserInfo(broker.User, b.Secret()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var ping micro.Ping
	var info micro.Info
	var stats micro.Stats
	for subject, answer := range map[string]any{"$SRV.PING": &ping, "$SRV.INFO.vedette": &info, "$SRV.STATS.vedette": &stats} {
		message, err := conn.Request(subject, nil, pipelinetest.Patience)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		if err := json.Unmarshal(message.Data, answer); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
	}
	if ping.Name != "vedette" || ping.Version != "1.2.3" || ping.Metadata["process"] != "a" {
		t.Errorf("got %+v, want who it is", ping)
	}
	if !slices.ContainsFunc(info.Endpoints, func(e micro.EndpointInfo) bool { return e.Subject == "vedette.ps" && e.QueueGroup == "" }) {
		t.Errorf("got %+v, want an endpoint that all processes answer", info)
	}
	status, err := job.Decode[job.ProcessStatus](stats.Endpoints[0].Data)
	if err != nil || status.Process.Name != "a" || len(status.Children) != 1 {
		t.Errorf("got %+v, %v, want the process's parts", status, err)
	}
}

func TestWhoDoesWhatAndWhereIsKnownByTheLeases(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "host-1"})
	serves := func(role, location string) bool {
		t.Helper()
		does, err := process.Serves(t.Context(), p, role, location)
		if err != nil {
			t.Fatal(err)
		}
		return does
	}
	if serves("check", "") {
		t.Error("got a worker for checks, want none yet")
	}
	leave := present(t, p, "1.0.0")
	for !serves("check", "here") { // its lease is on its way
		<-time.After(5 * time.Millisecond)
	}
	if !serves("check", "") || serves("check", "there") || serves("mail", "") {
		t.Error("got something else than a worker that checks here")
	}
	leave()
	if serves("check", "here") {
		t.Error("got a worker for checks, want none any more")
	}
}
