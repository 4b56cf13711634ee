package job_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden returns the messages in the golden files, which define the wire format
// byte for byte. A changed file is a changed format.
func golden() map[string]any {
	slot := time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)
	refused := job.ProbeResult{
		Health: job.Down, Class: job.ClassConnect, Cause: "connect refused", Started: slot.Add(12 * time.Millisecond),
		Latency: job.Duration(3 * time.Millisecond), Phases: job.Phases{DNS: job.Duration(time.Millisecond)}, Address: "192.0.2.7:443",
	}
	spec := job.Spec{
		HTTP:   &job.HTTP{URL: "https://example.org/health", Method: "HEAD", Headers: map[string]string{"Accept": "text/html"}},
		Expect: []string{`status == 200`, `latency < duration("800ms")`}, Timeout: job.Duration(10 * time.Second),
	}
	incident := job.Incident{
		ID: job.IncidentID("website", job.ConditionDown, slot), Condition: job.ConditionDown, Monitor: "website", Target: "https://example.org/health", Began: slot,
		LastUp: slot.Add(-time.Minute), ProbeResult: refused, Failures: 3, Notify: []string{"oncall"},
	}
	process := job.Process{V: 1, ID: "p1", Name: "host-1", Host: "host", PID: 4711, Version: "1.0.0", Started: slot}
	return map[string]any{
		"monitor": job.Monitor{
			V: 1, Name: "website", Group: "web", Labels: map[string]string{"env": "prod"}, DependsOn: []string{"router"}, Spec: spec, Interval: job.Duration(time.Minute),
			Locations: []string{"fra", "nyc", "sin"},
			Policy: job.Policy{
				FailureThreshold: 3, FailureWindow: 5, SuccessThreshold: 2, Quorum: 2, RetryInterval: job.Duration(10 * time.Second),
				Flapping: &job.Flapping{Enter: 40, Leave: 20}, CertificateAlerts: []job.Duration{job.Duration(7 * 24 * time.Hour)}, Notify: []string{"oncall"},
			},
		},
		"recipient":   job.Recipient{V: 1, Name: "oncall", Addresses: []string{"ops@example.org"}, TimeZone: "Europe/Berlin"},
		"check":       job.Check{V: 1, Monitor: "website", Slot: slot, Location: "default", NotAfter: slot.Add(time.Minute), Spec: spec},
		"adhoc-check": job.Check{V: 1, ID: "try1", Spec: job.Spec{TCP: &job.TCP{Address: "db.example.org:5432"}}},
		"results": job.Results{V: 1, Results: []job.Result{
			{Monitor: "website", Slot: slot, Worker: "host-1", Location: "default", ProbeResult: &refused},
			{Monitor: "database", Slot: slot, Miss: &job.Miss{Reason: job.MissLate, Count: 3, Last: slot.Add(2 * time.Minute)}},
		}},
		"state": job.State{
			V: 1, Monitor: "website", Health: job.Down, Since: slot, Slot: slot.Add(2 * time.Minute), Failures: 3, FirstFailure: slot,
			LastUp: slot.Add(-time.Minute), Incident: &incident, Sequence: 1,
			Events: []job.Event{{ID: job.EventID(incident.ID, job.EventBegan), Sequence: 1, Kind: job.EventBegan, At: slot.Add(2 * time.Minute), Incident: incident}},
		},
		"mail": job.Mail{
			V: 1, ID: "m1", To: "ops@example.org", Subject: "[DOWN] website: connect refused", Text: "It is down.\n",
			HTML: "<p>It is down.</p>", Thread: incident.ID, Date: slot,
		},
		"delivery": job.Delivery{V: 1, ID: "m1", State: job.DeliverySent, At: slot, Relay: "smtp.example.org:587", Reply: "250 2.0.0 queued as 4bX", To: "ops@example.org", Subject: "[DOWN] website"},
		"delivery-deferred": job.Delivery{
			V: 1, ID: "m1", State: job.DeliveryDeferred, At: slot, Relay: "smtp.example.org:587", Reply: "451 4.3.0 later", To: "ops@example.org", Subject: "[DOWN] website",
			NextTry: slot.Add(time.Minute), DeadSubject: "dead.MAIL.mail-alert.17",
		},
		"outcome-check": job.Outcome{
			V: 1, Kind: job.JobCheck, ID: "try1", At: slot, Attempts: 1,
			Check: &job.Result{ID: "try1", Worker: "host-1", Location: "default", ProbeResult: &refused},
		},
		"outcome-mail": job.Outcome{
			V: 1, Kind: job.JobMail, ID: "hello1", At: slot, Attempts: 2,
			Mail: &job.Delivery{V: 1, ID: "hello1", State: job.DeliverySent, At: slot, Relay: "smtp.example.org:587", Reply: "250 2.0.0 queued as 4bX"},
		},
		"outcome-failure": job.Outcome{
			V: 1, Kind: job.JobMail, ID: "hello1", At: slot, Attempts: 1,
			Failure: &job.Failure{Reason: job.ReasonPermanent, Error: "permanent: 550 5.1.1 no such user"},
		},
		"listening": job.Listening{V: 1, Previous: slot, Absences: []job.Absence{{From: slot.Add(-time.Hour), To: slot.Add(-59 * time.Minute)}}},
		"notice": job.Notice{
			V: 1, ID: "n1", Kind: job.NoticeStuckJob, At: slot, Source: "host-1", Summary: "a job of stage check ignored the end of its context", Detail: "goroutine 7 [chan receive]:",
		},
		"digest": job.Digest{
			V: 1, Pending: []job.Notice{{V: 1, ID: "n1", Kind: job.NoticeDead, At: slot, Source: "host-1", Summary: "stage mail gave up on mail.adhoc.hello1"}},
			More: 3, Due: slot.Add(10 * time.Second), Sent: slot.Add(-time.Hour), Recent: []string{"n1"},
		},
		"settings": job.Settings{
			V: 1, Operators: []string{"oncall"},
			Grouping: &job.Grouping{GroupBy: []string{"group"}, GroupWait: job.Duration(30 * time.Second), GroupInterval: job.Duration(5 * time.Minute), RepeatInterval: job.Duration(4 * time.Hour), MaxListed: 40},
			Maintenance: []job.Maintenance{
				{Name: "backup", Match: job.Match{Groups: []string{"db-*"}}, Cron: "0 23 * * sun", TimeZone: "Europe/Berlin", Until: "03:00"},
			},
		},
		"silence": job.Silence{
			V: 1, ID: "s1", Match: job.Match{Monitors: []string{"web-*"}, Labels: map[string]string{"env": "prod"}}, Author: "ann", Comment: "new disks",
			Starts: slot, Ends: slot.Add(2 * time.Hour),
		},
		"notification-log": job.NotificationLog{V: 1, Monitor: "website", Sequence: 2, Incidents: []job.Notified{{
			Incident: incident, ReceivedAt: slot.Add(2 * time.Minute), Resolution: &job.Resolution{Kind: job.EventEnded, At: slot.Add(12 * time.Minute), ReceivedAt: slot.Add(12 * time.Minute)},
			NotifiedBy: "m1", NotifiedAt: slot.Add(150 * time.Second),
		}}},
		"notification-group": job.NotificationGroup{
			V: 1, Address: "ops@example.org", Recipient: "oncall", Group: []string{"group=web"}, Sequence: 1, NextFlush: slot.Add(4 * time.Hour), LastNotified: slot,
			Sent: &job.Notification{ID: "m1", At: slot},
		},
		"ping":    job.Ping{V: 1, ExitCode: 3, Output: "disk full"},
		"process": process,
		"process-status": job.ProcessStatus{V: 1, Process: process, Conditions: []job.ProcessCondition{
			{Name: job.ProcessStorage, OK: true, Since: slot}, {Name: job.ProcessMail, Advisory: true, Since: slot, Reason: "relays_down", Detail: "connection refused"},
		}, Children: []job.ChildStatus{{
			Name: "workers", State: "running", Since: slot, Incarnation: 1, Strategy: "one_for_one",
			Children: []job.ChildStatus{
				{
					Name: "check-default", State: "running", Since: slot.Add(time.Minute), Incarnation: 2, Restarts: 1,
					LastFailure: &job.ChildFailure{At: slot.Add(time.Minute), Class: "panic", Error: "service panicked: boom", Stack: "goroutine 7 [running]:"},
					Jobs:        &job.ChildJobs{Running: 3, Limit: 256, Done: 12000, Failed: 4, Stuck: 1},
				},
			},
		}}},
	}
}

func TestWireFormatIsWhatTheGoldenFilesSay(t *testing.T) {
	t.Parallel()
	for name, message := range golden() {
		body, err := job.Encode(message)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		path := filepath.Join("..", "..", "testdata", "job", name+".json")
		if *update {
			if err := os.WriteFile(path, append(body, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSpace(string(want)), string(body)); diff != "" {
			t.Errorf("%s: wire format differs (-want +got):\n%s", name, diff)
		}
	}
}

func TestDecodedMessagesEncodeToTheSameBytes(t *testing.T) {
	t.Parallel()
	again := map[string]func([]byte) (any, error){
		"monitor":     decode[job.Monitor],
		"recipient":   decode[job.Recipient],
		"check":       decode[job.Check],
		"adhoc-check": decode[job.Check],
		"results":     decode[job.Results],
		"state":       decode[job.State],
		"mail":        decode[job.Mail],
		"delivery":    decode[job.Delivery],

		"delivery-deferred":  decode[job.Delivery],
		"outcome-check":      decode[job.Outcome],
		"outcome-mail":       decode[job.Outcome],
		"outcome-failure":    decode[job.Outcome],
		"process":            decode[job.Process],
		"ping":               decode[job.Ping],
		"listening":          decode[job.Listening],
		"process-status":     decode[job.ProcessStatus],
		"notice":             decode[job.Notice],
		"digest":             decode[job.Digest],
		"settings":           decode[job.Settings],
		"silence":            decode[job.Silence],
		"notification-log":   decode[job.NotificationLog],
		"notification-group": decode[job.NotificationGroup],
	}
	for name, message := range golden() {
		want, err := job.Encode(message)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := again[name](want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := job.Encode(decoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
}

func decode[T any](data []byte) (any, error) { return job.Decode[T](data) }

func TestProbesHaveAShortForm(t *testing.T) {
	t.Parallel()
	got, err := job.Decode[job.Check]([]byte(`{"http": "https://example.org"}`))
	if err != nil || got.Target() != "https://example.org" {
		t.Errorf("got %+v, %v, want the URL", got, err)
	}
	got, err = job.Decode[job.Check]([]byte(`{"tcp": "example.org:22", "timeout": "3s"}`))
	if err != nil || got.Target() != "example.org:22" || got.Timeout.Std() != 3*time.Second {
		t.Errorf("got %+v, %v, want the address and 3s", got, err)
	}
}

func TestDecodeRefusesOtherData(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body string
		want       error
		says       string
	}{
		{"no JSON", `http://example.org`, job.ErrMalformed, "invalid character"},
		{"nothing", ``, job.ErrMalformed, "unexpected end"},
		{"an unknown field", `{"htp": "x"}`, job.ErrMalformed, `"htp"`},
		{"an unknown field of a probe", `{"http": {"url": "x", "metod": "GET"}}`, job.ErrMalformed, `"metod"`},
		{"a wrong type", `{"timeout": 3}`, job.ErrMalformed, "timeout"},
		{"a bad duration", `{"timeout": "3"}`, job.ErrMalformed, "expected a duration"},
		{"more than one message", `{} {}`, job.ErrMalformed, "after top-level"},
		{"a newer version", `{"v": 2, "quantum": true}`, job.ErrNewer, "found v=2"},
		{"a negative version", `{"v": -1}`, job.ErrMalformed, "found v=-1"},
	}
	for _, c := range cases {
		_, err := job.Decode[job.Check]([]byte(c.body))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %v that says %q", c.name, err, c.want, c.says)
		}
	}
}

func TestUnknownDeliveryStateIsRefused(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"", "done", "Sent"} {
		got, err := job.Decode[job.Delivery]([]byte(`{"v":1,"id":"m1","state":"` + state + `","at":"2026-03-01T12:00:07Z"}`))
		if !errors.Is(err, job.ErrMalformed) || !strings.Contains(err.Error(), "expected one of") {
			t.Errorf("%q: got %+v, %v, want ErrMalformed with the known states", state, got, err)
		}
	}
}

func TestSpecHasExactlyOneProbe(t *testing.T) {
	t.Parallel()
	both := job.Spec{HTTP: &job.HTTP{}, TCP: &job.TCP{}}
	for _, spec := range []job.Spec{{}, both} {
		if _, err := spec.Kind(); !errors.Is(err, job.ErrProbe) {
			t.Errorf("%+v: got %v, want ErrProbe", spec, err)
		}
	}
	if got := (job.Spec{}).Target(); got != "" {
		t.Errorf("spec without probe: got target %q, want none", got)
	}
}

func TestValidNamesFitIntoSubjects(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "www.example.org", "Db_1-x", strings.Repeat("a", 128)} {
		if !job.ValidName(name) {
			t.Errorf("%q: got refused, want accepted", name)
		}
	}
	for _, name := range []string{"", ".", "a.", ".a", "a..b", "a b", "a*", ">", "ä", "a\n", strings.Repeat("a", 129)} {
		if job.ValidName(name) {
			t.Errorf("%q: got accepted, want refused", name)
		}
	}
}

func TestIDsDependOnTheirPartsOnly(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	here := began.In(time.FixedZone("here", 3600))
	if a, b := job.IncidentID("a", job.ConditionDown, began), job.IncidentID("a", job.ConditionDown, here); a != b {
		t.Errorf("got %s and %s for one instant in two zones, want the same", a, b)
	}
	seen := map[string]bool{}
	for _, id := range []string{
		job.IncidentID("a", job.ConditionDown, began), job.IncidentID("b", job.ConditionDown, began), job.IncidentID("a", job.ConditionDown, began.Add(time.Second)),
		job.DeriveID("a", "bc"), job.DeriveID("ab", "c"),
	} {
		if seen[id] || len(id) != 20 || !job.ValidName(id) {
			t.Errorf("got %q, want 20 letters and digits, each once", id)
		}
		seen[id] = true
	}
}

func TestShardsAreStableAndEven(t *testing.T) {
	t.Parallel()
	if got := job.Shard("website", 64); got != 10 {
		t.Errorf("got shard %d, want 10: another value moves every monitor in every installation", got)
	}
	counts := make([]int, 64)
	for i := range 64_000 {
		counts[job.Shard("monitor-"+string(rune('a'+i%26))+time.Duration(i).String(), 64)]++
	}
	for shard, n := range counts {
		if n < 500 || n > 1500 {
			t.Errorf("shard %d: got %d of 64,000, want about 1,000", shard, n)
		}
	}
}

func TestHandlerErrorsKeepTheirCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for _, err := range []error{job.Dead(job.ReasonInvalid, cause), job.RetryIn(cause, time.Second), job.Interrupted(cause, 0)} {
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), "cause") {
			t.Errorf("got %v, want the cause in it", err)
		}
	}
	_, newer := job.Decode[job.Mail]([]byte(`{"v":99}`))
	if _, dead := errors.AsType[*job.DeadError](job.DeadFor(newer)); dead || !errors.Is(job.DeadFor(newer), job.ErrNewer) {
		t.Errorf("got %v, want ErrNewer", job.DeadFor(newer))
	}
	if _, dead := errors.AsType[*job.DeadError](job.DeadFor(cause)); dead {
		t.Error("got a dead letter for an arbitrary error")
	}
	_, malformed := job.Decode[job.Mail]([]byte("x"))
	if dead, ok := errors.AsType[*job.DeadError](job.DeadFor(malformed)); !ok || dead.Reason != job.ReasonMalformed {
		t.Errorf("got %v, want a dead letter malformed", job.DeadFor(malformed))
	}
}

func FuzzDecode(f *testing.F) {
	for _, message := range golden() {
		body, err := job.Encode(message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		check, err := job.Decode[job.Check](data)
		if err != nil {
			return
		}
		body, err := job.Encode(check)
		if err != nil {
			return // a time that JSON cannot represent
		}
		again, err := job.Decode[job.Check](body)
		if err != nil {
			t.Fatalf("got %v for our own encoding: %s", err, body)
		}
		first, _ := json.Marshal(check)
		second, _ := json.Marshal(again)
		if !bytes.Equal(first, second) {
			t.Errorf("got %s, want %s", second, first)
		}
	})
}

func TestTargetHidesThePasswordInAURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://me:secret@example.org/x?a=b@c": "https://me:****@example.org/x?a=b@c", "me:se@cret@example.org": "me:****@example.org",
		"https://me@example.org": "https://me@example.org", "https://example.org/a@b:c": "https://example.org/a@b:c", "example.org:80": "example.org:80",
		"https://me:${secret:A}@example.org": "https://me:****@example.org", "https://${secret:A}@example.org/x": "https://${secret:A}@example.org/x",
		"https://${secret:A}:x${secret:B}@example.org": "https://${secret:A}:****@example.org", "https://example.org/${secret:A}": "https://example.org/${secret:A}",
	} {
		if got := (job.Spec{HTTP: &job.HTTP{URL: url}}).Target(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	ws := job.Spec{WebSocket: &job.WebSocket{URL: "wss://me:secret@example.org"}}
	if got := ws.Target(); strings.Contains(got, "secret") {
		t.Errorf("got %s, want no password", got)
	}
	beat := job.Spec{Heartbeat: &job.Heartbeat{Token: "0123456789abcdef", Interval: job.Duration(time.Hour)}}
	if got := beat.Target(); got != "heartbeat every 1h0m0s" {
		t.Errorf("got %s, want no token", got)
	}
}

func TestCheckTemplatesEncodeLikeChecks(t *testing.T) {
	t.Parallel()
	slot := time.Date(2026, 3, 1, 12, 0, 7, 0, time.UTC)
	for _, check := range []job.Check{
		{V: job.Version, Monitor: "website", Location: "default", Spec: job.Spec{HTTP: &job.HTTP{URL: "https://example.org/?a=<b>&c"}, Timeout: job.Duration(time.Second)}},
		{V: job.Version, Monitor: "a.b", Spec: job.Spec{TCP: &job.TCP{Address: "a:1"}, Expect: []string{`ip != "\n"`}}},
		{V: job.Version, Monitor: "b", Location: "l", Spec: job.Spec{TCP: &job.TCP{Address: "a:1"}, Expect: []string{"true", "1 == 1"}}},
		{V: job.Version, Monitor: "b", Location: "l", Spec: job.Spec{TCP: &job.TCP{Address: "a:1"}, Negate: true}},
		{V: job.Version, Monitor: `odd"name`, Location: "ü"},
	} {
		template, err := job.NewCheckTemplate(check)
		if err != nil {
			t.Fatal(err)
		}
		check.Slot, check.NotAfter = slot, slot.Add(time.Minute)
		want, err := job.Encode(check)
		if err != nil {
			t.Fatal(err)
		}
		if got := template.Encode(check.Slot, check.NotAfter); !bytes.Equal(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if _, err := job.NewCheckTemplate(job.Check{Location: strings.Repeat("x", 1<<16)}); err == nil {
		t.Error("got no error for a location of 64 KB, want one")
	}
}
