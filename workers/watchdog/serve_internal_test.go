package watchdog

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/workers/health"
)

// receiver keeps the last ping on each path.
type receiver struct {
	mu    sync.Mutex
	count map[string]int
	last  map[string]string
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[request.URL.Path]++
	r.last[request.URL.Path] = string(body)
}

func (r *receiver) got(path string) (count int, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count[path], r.last[path]
}

func TestPingsAreSentWhileAllIsWell(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "p"})
	got := &receiver{count: map[string]int{}, last: map[string]string{}}
	hang := make(chan struct{})
	mux := http.NewServeMux()
	mux.Handle("/", got)
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { <-hang })
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(hang)

	conditions := health.NewConditions(time.Now)
	w := New(Config{Pipeline: p, HasServer: true, Conditions: conditions.List, Health: conditions})
	target := func(path string) Target {
		return Target{URL: server.URL + path, FailURL: server.URL + path + "/fail", Interval: 200 * time.Millisecond, Timeout: time.Minute, Method: http.MethodPost}
	}
	w.SetTargets([]Target{target("/hang"), target("/a")})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx) }()
	pipelinetest.Eventually(t, "pings next to a target that hangs", func() bool { n, body := got.got("/a"); return n > 3 && body == "ok\n" })

	conditions.Failed(job.ProcessMail, health.Problem{Detail: "no relay", Advisory: true})
	pipelinetest.Eventually(t, "a ping that says what is wrong", func() bool { _, body := got.got("/a/fail"); return body == "mail of process p: no relay\n" })
	before, _ := got.got("/a")
	conditions.Met(job.ProcessMail)
	pipelinetest.Eventually(t, "pings again", func() bool { n, _ := got.got("/a"); return n > before })

	w.SetTargets([]Target{target("/b")})
	pipelinetest.Eventually(t, "pings of the new target", func() bool { n, _ := got.got("/b"); return n > 1 })
	old, _ := got.got("/a")
	pipelinetest.Eventually(t, "more pings of the new target", func() bool { n, _ := got.got("/b"); return n > 5 })
	if n, _ := got.got("/a"); n != old {
		t.Errorf("got %d pings of the old target, want %d as before", n, old)
	}
	w.SetTargets([]Target{{URL: server.URL + "/c", Interval: 100 * time.Millisecond, Timeout: time.Second, Method: "bad method"}})
	pipelinetest.Eventually(t, "the condition", func() bool {
		c, _ := conditions.Find(job.ProcessWatchdog)
		return !c.OK && c.Advisory && c.Reason == job.FaultPingFailed && strings.Contains(c.Detail, "watchdog 1 does not accept pings")
	})
	w.SetTargets(nil)
	pipelinetest.Eventually(t, "no condition without a target", func() bool { c, _ := conditions.Find(job.ProcessWatchdog); return c.OK })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v, want no error", err)
	}
}
