package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// working is the evidence of an installation with two processes that works.
func working() evidence {
	fine := []job.ProcessCondition{{Name: job.ProcessNATS, OK: true}, {Name: job.ProcessMail, OK: true}}
	own := processState{name: "a", stages: []string{"schedule", "maintain"}, conditions: fine}
	return evidence{
		at: start, own: own, stages: []string{"schedule", "maintain", "mail"}, lastTick: start.Add(-time.Second),
		processes: []processState{own, {name: "b", stages: []string{"mail"}, conditions: slices.Clone(fine)}},
		queues:    []queue{{what: "results", waiting: 3, oldest: time.Second, limit: 30 * time.Second}},
	}
}

func TestEveryFaultOfThePathIsNamed(t *testing.T) {
	t.Parallel()
	fails := func(e *evidence, process int, name job.ProcessConditionName) *job.ProcessCondition {
		e.processes[process].conditions = append(e.processes[process].conditions, job.ProcessCondition{Name: name, Detail: "it is broken"})
		return &e.processes[process].conditions[len(e.processes[process].conditions)-1]
	}
	cases := []struct {
		name   string
		change func(*evidence)
		want   []string
	}{
		{"nothing", func(*evidence) {}, nil},
		{"a condition of another process", func(e *evidence) { fails(e, 1, job.ProcessMail) }, []string{"mail of process b: it is broken"}},
		{"an advisory condition too", func(e *evidence) { fails(e, 1, job.ProcessMail).Advisory = true }, []string{"mail of process b: it is broken"}},
		{"two processes", func(e *evidence) { fails(e, 0, job.ProcessStorage); fails(e, 1, job.ProcessMail) }, []string{"storage of process a: it is broken", "mail of process b: it is broken"}},
		{"a reason without words", func(e *evidence) { c := fails(e, 1, job.ProcessMail); c.Detail, c.Reason = "", "refused" }, []string{"mail of process b: refused"}},
		{"only the pings", func(e *evidence) { fails(e, 0, job.ProcessWatchdog) }, nil},
		{"a file that was not applied", func(e *evidence) { fails(e, 0, job.ProcessFile) }, nil},
		{"a process that stops", func(e *evidence) { fails(e, 1, job.ProcessRunning) }, nil},
		{"a stage without a process", func(e *evidence) { e.processes = e.processes[:1] }, []string{"no process that answers runs the stage mail"}},
		{"no ticks", func(e *evidence) { e.lastTick = start.Add(-11 * time.Second) }, []string{"no tick for 11s"}},
		{"results that wait", func(e *evidence) { e.queues[0].oldest = time.Minute }, []string{"3 results wait, the oldest for 1m0s"}},
		{"a write that was refused", func(e *evidence) { e.write = errors.New("no space left") }, []string{"a write was not confirmed: no space left"}},
		{"no server: only what this process knows", func(e *evidence) {
			e.server, e.write, e.processes, e.queues, e.lastTick = errors.New("timeout"), errors.New("timeout"), nil, nil, time.Time{}
			e.own.conditions = []job.ProcessCondition{{Name: job.ProcessNATS, Detail: "not connected"}}
		}, []string{"the NATS server does not answer: timeout", "nats of process a: not connected"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := working()
			c.change(&e)
			found := assess(e)
			lasts := lasting{}
			lasts.update(found, start.Add(-time.Hour))
			if got := lasts.update(found, start); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestShortFaultsAreNotReported(t *testing.T) {
	t.Parallel()
	lasts := lasting{}
	disk := problem{key: "a/storage", text: "disk full", patience: 8 * time.Second}
	for _, step := range []struct {
		at    int
		found []problem
		want  string
	}{
		{0, []problem{disk}, ""},
		{6, []problem{disk}, ""},
		{8, nil, ""},
		{10, []problem{disk}, ""}, // begins again
		{16, []problem{{key: disk.key, text: "disk still\nfull", patience: disk.patience}}, ""},
		{18, []problem{disk, {key: "tick", text: "no tick"}}, "disk full, no tick"},
		{20, nil, ""},
	} {
		if got := strings.Join(lasts.update(step.found, start.Add(time.Duration(step.at)*time.Second)), ", "); got != step.want {
			t.Errorf("after %d s: got %q, want %q", step.at, got, step.want)
		}
	}
}

func TestBodyFitsIntoAPing(t *testing.T) {
	t.Parallel()
	if got := (verdict{}).body(); got != "ok\n" {
		t.Errorf("got %q, want ok", got)
	}
	v := verdict{lines: []string{"mail: refused", "storage: full"}}
	if got := v.body(); got != "mail: refused\nstorage: full\n" {
		t.Errorf("got %q, want a line for each", got)
	}
	for range 40 {
		v.lines = append(v.lines, oneLine(strings.Repeat("ü\n", 300)))
	}
	body := v.body()
	if len(body) > job.MaxPingOutput || !strings.HasPrefix(body, "mail: refused\n") || !strings.Contains(body, "\nand ") {
		t.Errorf("got %d bytes %q, want at most %d, the first lines and how many more", len(body), body, job.MaxPingOutput)
	}
}

func TestPingsFollowTheVerdict(t *testing.T) {
	t.Parallel()
	s := schedule{interval: time.Minute}
	fresh := verdict{at: start, leads: true}
	if send, wait := s.next(verdict{at: start}, start); send || wait != time.Minute {
		t.Errorf("got %v, %s, want nothing sent by a process that does not lead", send, wait)
	}
	if send, _ := s.next(fresh, start); !send {
		t.Error("got nothing sent, want a ping")
	}
	// A process that was stopped gets a chance to look again; one that hangs does not
	// stay silent.
	late := start.Add(time.Hour)
	if send, wait := s.next(fresh, late); send || wait > 10*time.Second {
		t.Errorf("got %v, %s, want a short wait for a new verdict", send, wait)
	}
	if send, _ := s.next(fresh, late); !send {
		t.Error("got nothing sent, want a ping that says that nothing was looked at")
	}
	if got := fresh.current(late).body(); got != "the watchdog itself has not looked for 1h0m0s\n" {
		t.Errorf("got %q, want why", got)
	}
	var pauses []time.Duration
	for range 7 {
		pauses = append(pauses, s.after(errors.New("refused")))
	}
	if got := fmt.Sprint(pauses); got != "[2s 4s 8s 16s 32s 1m0s 1m0s]" {
		t.Errorf("got %s, want it doubled up to the interval", got)
	}
	if got := s.after(nil); got != time.Minute {
		t.Errorf("got %s, want the interval after a success", got)
	}
	short := schedule{interval: time.Second}
	if got := short.after(errors.New("refused")); got != time.Second {
		t.Errorf("got %s, want the interval at most", got)
	}
}

func TestOneProcessLeads(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	a, b := &lead{id: "a"}, &lead{id: "b"}
	renew := func(l *lead) bool {
		t.Helper()
		if err := l.renew(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		return l.leads(time.Now())
	}
	for range 3 {
		if !renew(a) || renew(b) {
			t.Fatal("got another leader than the first one, or none")
		}
	}
	if err := a.release(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if !renew(b) || renew(a) {
		t.Error("got the old leader, want the other one after the release")
	}
}

// While the storage refuses writes, the process with the server inside still says so.
func TestProcessWithTheServerLeadsWithoutWrites(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, alone := range []bool{false, true} {
		l := &lead{id: "server", alone: alone}
		if err := l.renew(ctx, p); err == nil || l.leads(time.Now()) != alone {
			t.Errorf("alone %v: got %v, leads %v, want an error, and the lead only without other processes", alone, err, l.leads(time.Now()))
		}
	}
}

func TestSilentLeaderIsReplaced(t *testing.T) {
	t.Parallel()
	l := lead{id: "b"}
	other := leadership{Process: "a"}
	steps := []struct {
		at       int
		revision uint64
		want     bool
	}{{0, 5, false}, {5, 6, false}, {25, 6, false}, {26, 6, true}, {27, 7, false}}
	for _, s := range steps {
		if got := l.mayTake(other, s.revision, start.Add(time.Duration(s.at)*time.Second)); got != s.want {
			t.Errorf("after %d s at revision %d: got %v, want %v", s.at, s.revision, got, s.want)
		}
	}
	if !(&lead{id: "b"}).mayTake(leadership{}, 0, start) {
		t.Error("got no right to take a key that is free")
	}
	l.confirmed = start
	if !l.leads(start.Add(leadTime)) || l.leads(start.Add(leadTime+1)) {
		t.Error("got another time, want the lead until other processes may take it")
	}
}

func TestPingSaysWhatIsWrongAndShowsNoSecret(t *testing.T) {
	t.Parallel()
	var got []string
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprintf("%s %s %s %q", r.Method, r.URL, r.Header.Get("X-Token"), body))
	})
	mux.HandleFunc("/gone/", http.NotFound)
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	hang := make(chan struct{})
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { <-hang })
	server := httptest.NewServer(mux)
	t.Cleanup(func() { close(hang); server.Close() })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	_ = listener.Close()

	p := newPinger(func(name string) (string, error) {
		if name != "TOKEN" {
			return "", errors.New("read secret " + name + ": not found")
		}
		return "hunter2\n", nil
	})
	wrong := verdict{lines: []string{"mail: refused"}}
	cases := []struct {
		name    string
		target  Target
		verdict verdict
		want    string // the request, or the error
	}{
		{"fine", Target{URL: server.URL + "/a", FailURL: server.URL + "/a/fail"}, verdict{}, `POST /a  "ok\n"`},
		{"wrong", Target{URL: server.URL + "/a", FailURL: server.URL + "/a/fail"}, wrong, `POST /a/fail  "mail: refused\n"`},
		{"wrong, and no place for it", Target{URL: server.URL + "/a"}, wrong, ""},
		{"without a body", Target{URL: server.URL + "/a", Method: "GET"}, verdict{}, `GET /a  ""`},
		{"secrets", Target{URL: server.URL + "/${secret:TOKEN}", Headers: map[string]string{"X-Token": "x-${secret:TOKEN}"}}, verdict{}, `POST /hunter2 x-hunter2 "ok\n"`},
		{"a secret that is missing", Target{URL: server.URL + "/${secret:OTHER}"}, verdict{}, "ping_failed read secret OTHER: not found"},
		{"refused", Target{URL: server.URL + "/gone/${secret:TOKEN}"}, verdict{}, "ping_refused HOST: the answer was 404 Not Found"},
		{"a redirect", Target{URL: server.URL + "/moved"}, verdict{}, "ping_refused HOST: the answer was 302 Found"},
		{"no answer", Target{URL: server.URL + "/hang", Timeout: 100 * time.Millisecond}, verdict{}, "ping_failed HOST: no answer within 100ms"},
		{"nothing listens", Target{URL: "http://" + closed + "/${secret:TOKEN}"}, verdict{}, "ping_failed " + closed + ": dial tcp " + closed + ": connect: connection refused"},
	}
	for _, c := range cases {
		got = nil
		if c.target.Method == "" {
			c.target.Method = http.MethodPost
		}
		if c.target.Timeout == 0 {
			c.target.Timeout = time.Minute
		}
		err := p.ping(context.WithoutCancel(t.Context()), c.target, c.verdict)
		text := strings.Join(got, ", ")
		if refusal, ok := errors.AsType[*pingError](err); ok {
			text = strings.ReplaceAll(string(refusal.reason)+" "+refusal.Error(), strings.TrimPrefix(server.URL, "http://"), "HOST")
			if strings.Contains(text, "hunter") {
				t.Errorf("%s: got %q, want no secret in it", c.name, text)
			}
		}
		if text != c.want {
			t.Errorf("%s: got %q, want %q", c.name, text, c.want)
		}
	}
}
