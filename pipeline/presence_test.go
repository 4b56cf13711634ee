package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
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
	presence := process.NewPresence(p, version, []string{"check"}, "here", func() []job.ChildStatus {
		return []job.ChildStatus{{Name: "workers", State: "running", Incarnation: 1}}
	})
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
		t.Errorf("got %s, want nobody", got)
	}
	leaveA := present(t, pipelinetest.Connect(t, b, pipeline.Config{Process: "a"}), "1.2.3")
	present(t, pipelinetest.Connect(t, b, pipeline.Config{Process: "b"}), "(devel)")
	stranger := pipelinetest.Connect(t, b, pipeline.Config{Process: "stranger", Prefix: "other"}) // of another installation
	if err := stranger.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	present(t, stranger, "1.2.3")
	eventually(t, "both processes", func() bool { return ask(t, p, time.Second) == "[a b] []" })
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
	eventually(t, "the process", func() bool { return ask(t, p, time.Second) == "[a] []" })
	conn, err := nats.Connect("", nats.InProcessServer(b), nats.UserInfo(broker.User, b.Secret()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var ping micro.Ping
	var info micro.Info
	var stats micro.Stats
	for subject, answer := range map[string]any{"$SRV.PING": &ping, "$SRV.INFO.vedette": &info, "$SRV.STATS.vedette": &stats} {
		message, err := conn.Request(subject, nil, patience)
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

func TestKeyIsRemovedOnlyIfNobodyWroteItSince(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Processes)
	if err != nil {
		t.Fatal(err)
	}
	first, err := bucket.Put(t.Context(), "k", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := bucket.Put(t.Context(), "k", []byte("2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Remove(t.Context(), "k", first); !isConflict(err) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	if err := bucket.Remove(t.Context(), "k", second); err != nil {
		t.Errorf("got %v, want nil", err)
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
		t.Error("got somebody who checks, want nobody yet")
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
		t.Error("got somebody who checks, want nobody any more")
	}
}

func TestKeysAreLoadedByAFilter(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Notifications)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a.g", "a.g.web.1", "a.h.web.1", "b.g.web", "b.g"} {
		if _, err := bucket.Put(t.Context(), key, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for filter, want := range map[string]string{
		"*.*": "a.g b.g", "a.g.>": "a.g.web.1", "*.*.web.1": "a.g.web.1 a.h.web.1", "*.*.>": "a.g.web.1 a.h.web.1 b.g.web", "c.>": "",
	} {
		entries, err := bucket.LoadMatching(t.Context(), filter)
		var keys []string
		for _, e := range entries {
			keys = append(keys, e.Key)
		}
		slices.Sort(keys)
		if got := fmt.Sprint(keys); err != nil || got != "["+want+"]" {
			t.Errorf("%s: got %s, %v, want %s", filter, got, err, want)
		}
	}
}

func TestPastOfAStreamEndsAtThePresent(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	count := 0
	read := func() (whole bool) {
		t.Helper()
		count = 0
		whole, err := inspect.ReadSince(t.Context(), p, topology.Result, time.Hour, func(pipeline.Delivery) { count++ })
		if err != nil {
			t.Fatal(err)
		}
		return whole
	}
	if !read() || count != 0 {
		t.Errorf("got %d messages of an empty stream", count)
	}
	for i := range 1200 {
		if err := p.Publish(t.Context(), pipeline.Message{Subject: topology.ResultSubject(0), Body: []byte("{}"), ID: strconv.Itoa(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if !read() || count != 1200 {
		t.Errorf("got %d messages, want all 1200", count)
	}
	if whole, err := inspect.ReadSince(t.Context(), p, topology.Result, 0, func(pipeline.Delivery) { t.Error("got a message of long ago") }); err != nil || !whole {
		t.Errorf("got %v, %v, want nothing newer than now", whole, err)
	}
}
