package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vedette/pipeline/job"
	"vedette/workers/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func monitors() *web.MonitorTable {
	b := web.NewMonitorTable()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"a-up", "b-down", "c-pending", "d-failing"} {
		b.Define(job.Monitor{Name: name, Spec: job.Spec{TCP: &job.TCP{Address: "<" + name + ">:1"}}})
	}
	good := &job.ProbeResult{Health: job.Up, Latency: job.Duration(12300 * time.Microsecond)}
	bad := &job.ProbeResult{Health: job.Down, Class: job.ClassConnect, Cause: "connect <b>refused</b>"}
	b.AddResult(job.Result{Monitor: "a-up", Slot: now, ProbeResult: good})
	b.AddResult(job.Result{Monitor: "a-up", Slot: now.Add(-time.Minute), ProbeResult: bad}) // older than the last: ignored
	b.AddResult(job.Result{Monitor: "b-down", Slot: now, ProbeResult: bad})
	b.AddResult(job.Result{Monitor: "d-failing", Slot: now, ProbeResult: bad})
	b.AddResult(job.Result{Monitor: "c-pending", Slot: now, Miss: &job.Miss{Reason: job.MissLate, Count: 3}})
	b.AddResult(job.Result{ID: "adhoc", ProbeResult: good})
	b.SetState(job.State{Monitor: "b-down", Health: job.Down, Since: now, Incident: &job.Incident{ProbeResult: *bad}})
	b.SetState(job.State{Monitor: "gone", Health: job.Down})
	return b
}

func TestRowsContainDefinedMonitorsWithDownFirst(t *testing.T) {
	t.Parallel()
	var got []string
	for _, r := range monitors().Rows() {
		got = append(got, r.Name+"="+string(r.Health))
	}
	want := "b-down=down c-pending=pending d-failing=pending a-up=up"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestFlagsShowOpenConditions(t *testing.T) {
	t.Parallel()
	b := monitors()
	b.SetState(job.State{
		Monitor: "a-up", Health: job.Up, NoData: &job.Incident{Condition: job.ConditionNoData}, Flapping: &job.Incident{Condition: job.ConditionFlapping},
	})
	b.Define(job.Monitor{Name: "z-paused", Paused: true})
	var got []string
	for _, r := range b.Rows() {
		got = append(got, r.Name+strings.Join(r.Flags, "+"))
	}
	if want := "b-down a-upflapping+no_data c-pending d-failing z-pausedpaused"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if _, body := get(t, page(t, web.StatusPageConfig{Listen: "127.0.0.1:0", Monitors: b}), "/"); !strings.Contains(body, ">flapping</small>") {
		t.Error("got no flag on the page")
	}
}

func TestLocationsAreShownWithTheirHealth(t *testing.T) {
	t.Parallel()
	b, now := web.NewMonitorTable(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m := job.Monitor{Name: "website", Locations: []string{"fra", "nyc", "sin"}}
	result := func(n int, location string, health job.Health) {
		b.AddResult(job.Result{Monitor: "website", Slot: now.Add(time.Duration(n) * time.Minute), Location: location, ProbeResult: &job.ProbeResult{Health: health, Cause: "of one"}})
	}
	state := job.State{Monitor: "website", Health: job.Up, Locations: []job.State{
		{Location: "fra", Health: job.Up},
		{Location: "nyc", Health: job.Down, Incident: &job.Incident{ProbeResult: job.ProbeResult{Cause: "refused"}}},
		{Location: "sin", Health: job.Up, NoData: &job.Incident{Condition: job.ConditionNoData, Quorum: 2, Reason: "no_worker"}},
	}}
	noData := job.State{Monitor: "website", Health: job.Up, Locations: []job.State{{Location: "fra", NoData: &job.Incident{}}, {Location: "nyc", NoData: &job.Incident{}}, {Location: "sin", NoData: &job.Incident{}}}}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"nothing known", func() { b.Define(m) }, "pending [] fra=pending nyc=pending sin=pending"},
		{"first results", func() { result(0, "fra", job.Up); result(0, "nyc", job.Down) }, "up [] fra=up nyc=pending sin=pending"},
		{"evaluated", func() { b.SetState(state) }, "up [] fra=up nyc=down sin=unknown"},
		{"defined again", func() { b.Define(m) }, "up [] fra=up nyc=down sin=unknown"},
		{"a quorum", func() { s := state; s.Health = job.Down; b.SetState(s) }, "down [] fra=up nyc=down sin=unknown"},
		{"no data anywhere", func() { b.SetState(noData) }, "up [no_data] fra=unknown nyc=unknown sin=unknown"},
		{"removed and defined again", func() { b.SetState(job.State{Monitor: "website", Removed: true}) }, "up [] fra=up nyc=pending sin=pending"},
		{"one location", func() { b.Define(job.Monitor{Name: "website"}) }, "up []"},
	} {
		step.do()
		r := b.Rows()[0]
		got := fmt.Sprint(r.Health, " ", r.Flags)
		for _, v := range r.Locations {
			got += fmt.Sprintf(" %s=%s", v.Location, v.Health)
		}
		if got != step.want {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	b.Define(m)
	b.SetState(state)
	if _, body := get(t, page(t, web.StatusPageConfig{Listen: "127.0.0.1:0", Monitors: b}), "/"); !strings.Contains(body, `<small class="down">nyc down</small>`) || !strings.Contains(body, "sin no data") {
		t.Errorf("got no locations on the page:\n%s", body)
	}
}

func TestResultsAreShownAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	b, now := web.NewMonitorTable(), time.Now()
	b.Define(job.Monitor{Name: "website"})
	shown := func(slot time.Time, health, want job.Health) {
		t.Helper()
		b.AddResult(job.Result{Monitor: "website", Slot: slot, ProbeResult: &job.ProbeResult{Health: health}})
		if got := b.Rows()[0].Health; got != want {
			t.Errorf("slot %s: got %s, want %s", slot, got, want)
		}
	}
	shown(now.Add(-time.Minute), job.Up, job.Up)
	shown(now.Add(-time.Hour), job.Up, job.Up) // late
	if got := b.Rows()[0].Checked; !got.Equal(now.Add(-time.Minute).UTC().Truncate(time.Second)) {
		t.Errorf("got the result of %s, want that of the last minute", got)
	}
	shown(now.Add(time.Hour), job.Up, job.Up)
	shown(now.Add(-time.Second), job.Up, job.Up)
	if got := b.Rows()[0]; !got.Checked.Equal(now.Add(-time.Second).UTC().Truncate(time.Second)) {
		t.Errorf("got the result of %s, want the last one", got.Checked)
	}
	b.AddResult(job.Result{Monitor: "website", Slot: now, Miss: &job.Miss{Reason: job.MissClockSet, Count: 3600, Last: now}})
	if got := b.Rows()[0].MissedSlots; got != 0 {
		t.Errorf("got %d missed slots, want none for slots that never came", got)
	}
}

func TestUndefinedMonitorIsNotShown(t *testing.T) {
	t.Parallel()
	b := monitors()
	b.Undefine("b-down")
	for _, r := range b.Rows() {
		if r.Name == "b-down" {
			t.Error("got a row for an undefined monitor, want none")
		}
	}
}

func page(t *testing.T, config web.StatusPageConfig) *web.StatusPage {
	t.Helper()
	p, err := web.NewStatusPage(config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func get(t *testing.T, p *web.StatusPage, path string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	p.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return recorder.Code, recorder.Body.String()
}

func TestPageEscapesExternalText(t *testing.T) {
	t.Parallel()
	p := page(t, web.StatusPageConfig{Listen: "127.0.0.1:0", Monitors: monitors(), Queues: func(context.Context) []web.Queue {
		return []web.Queue{{Name: "check", Running: 1, Limit: 2}}
	}})
	code, body := get(t, p, "/")
	if code != http.StatusOK || strings.Contains(body, "<b>refused") || !strings.Contains(body, "&lt;b&gt;refused") {
		t.Errorf("got %d %s, want the cause escaped", code, body)
	}
	for _, want := range []string{"<title>1 DOWN · Vedette</title>", "12.3 ms", "<td>check</td>"} {
		if !strings.Contains(body, want) {
			t.Errorf("got a page without %q", want)
		}
	}
}

func TestPageWithoutMonitorsShowsAHint(t *testing.T) {
	t.Parallel()
	p := page(t, web.StatusPageConfig{Listen: "127.0.0.1:0", Monitors: web.NewMonitorTable()})
	if code, body := get(t, p, "/"); code != http.StatusOK || !strings.Contains(body, "vedette apply") {
		t.Errorf("got %d %s, want a hint", code, body)
	}
}

func TestReadyzShowsUnmetConditions(t *testing.T) {
	t.Parallel()
	ok := false
	p := page(t, web.StatusPageConfig{Listen: "127.0.0.1:0", Monitors: monitors(), Ready: func() []job.ProcessCondition {
		return []job.ProcessCondition{{Name: "nats", OK: ok, Detail: "not connected"}}
	}})
	if code, body := get(t, p, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "not connected") {
		t.Errorf("got %d %s, want 503 and the reason", code, body)
	}
	if code, _ := get(t, p, "/healthz"); code != http.StatusOK {
		t.Errorf("got %d for a live process, want 200", code)
	}
	ok = true
	if code, _ := get(t, p, "/readyz"); code != http.StatusOK {
		t.Errorf("got %d, want 200", code)
	}
}

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	code, body := get(t, page(t, web.StatusPageConfig{Listen: "127.0.0.1:0", Monitors: monitors()}), "/status.json")
	var got struct {
		Ready    bool
		Monitors []struct{ Name, Health, Latency string }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK {
		t.Fatalf("got %d, %v, want JSON", code, err)
	}
	if !got.Ready || len(got.Monitors) != 4 || got.Monitors[3].Latency != "12.3ms" {
		t.Errorf("got %+v, want four monitors", got)
	}
}

func TestStatusPageServesAgainAfterItReturned(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	p := page(t, web.StatusPageConfig{Listen: address, Monitors: monitors()})
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Serve(ctx) }()
		if body := fetch(t, "http://"+address+"/healthz"); body != "ok\n" {
			t.Errorf("got %q, want ok", body)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v, want a clean end", err)
		}
	}
}

func TestAddressInUseIsAnError(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := page(t, web.StatusPageConfig{Listen: listener.Addr().String(), Monitors: monitors()})
	if err := p.Serve(t.Context()); err == nil {
		t.Error("got nil, want an error")
	}
}

// fetch retries until it gets a response, since Serve does not report when it
// listens.
func fetch(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		response, err := client.Get(url)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	t.Fatalf("got no response from %s", url)
	return ""
}
