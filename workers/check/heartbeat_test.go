package check_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// source returns pings or an error.
type source struct {
	pings check.LastPings
	err   error
}

func (s source) LastPings(context.Context, string) (check.LastPings, error) { return s.pings, s.err }

// ages are the ages of pings by kind, zero for none.
type ages struct {
	ok, start, fail, since time.Duration
	last                   job.Ping
}

func (a ages) source(now time.Time) source {
	ago := func(d time.Duration) time.Time {
		if d == 0 {
			return time.Time{}
		}
		return now.Add(-d)
	}
	return source{pings: check.LastPings{OK: ago(a.ok), Start: ago(a.start), Fail: ago(a.fail), Since: ago(a.since), Last: a.last}}
}

func TestHeartbeatDependsOnTheLastPings(t *testing.T) {
	t.Parallel()
	const long = 1000 * time.Hour
	cases := []struct {
		name string
		ages ages
		want string
	}{
		{"just defined", ages{since: 1}, "up"},
		{"never, for too long", ages{since: 2 * time.Hour}, "down timeout silent for 2h0m0s, expected a ping every 1h0m0s, with 10m0s of grace"},
		{"in time", ages{since: long, ok: time.Hour}, "up"},
		{"within the grace", ages{since: long, ok: 70 * time.Minute}, "up"},
		{"late", ages{since: long, ok: 70*time.Minute + time.Second}, "down timeout silent for 1h10m1s"},
		{"a start is not an end", ages{since: long, ok: 72 * time.Minute, start: time.Minute}, "down timeout silent"},
		{"failed", ages{since: long, ok: time.Hour, fail: time.Minute, last: job.Ping{ExitCode: 3, Output: "disk\nfull\n"}}, "down status the job failed 1m0s ago, exit code 3: disk\nfull"},
		{"failed, and begun again", ages{since: long, fail: time.Minute, start: time.Second}, "down status the job failed 1m0s ago"},
		{"failed before", ages{since: long, ok: time.Minute, fail: time.Hour}, "up"},
	}
	spec := job.Spec{Heartbeat: &job.Heartbeat{Token: "0123456789abcdef", Interval: job.Duration(time.Hour), Grace: job.Duration(10 * time.Minute)}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // with a fixed time
				got := checker(t, check.Config{Pings: c.ages.source(time.Now())}).Check(t.Context(), spec)
				if text := strings.TrimSpace(describe(got)); !strings.HasPrefix(text, c.want) || c.want == "up" && text != "up" {
					t.Errorf("got %q, want %q", text, c.want)
				}
			})
		})
	}
}

func TestHeartbeatIsNotDownForTheAbsenceOfVedette(t *testing.T) {
	t.Parallel()
	ago := func(from, to time.Duration) job.Absence {
		return job.Absence{From: time.Now().Add(-from), To: time.Now().Add(-to)}
	}
	const limit = 70 * time.Minute
	cases := []struct {
		name       string
		silent     time.Duration
		absence    func() job.Absence
		noListener bool
		want       string
	}{
		{"away since, and for as long as it was late", 90 * time.Minute, func() job.Absence { return ago(40*time.Minute, 10*time.Minute) }, false, "up"},
		{"silent for long before", 3 * time.Hour, func() job.Absence { return ago(time.Hour, time.Minute) }, false, "down timeout silent for 3h0m0s, expected a ping every 1h0m0s, with 10m0s of grace; no ping could be taken for 59m0s of that time"},
		{"silent for long since", 2*limit + 2*time.Second, func() job.Absence { return ago(limit+2*time.Second, limit+time.Second) }, false, "down timeout silent for"},
		{"the process that takes pings is starting", 2 * limit, func() job.Absence { return ago(2*limit-time.Minute, 0) }, false, "up"},
		{"no process takes pings", 2 * limit, func() job.Absence { return ago(2*limit-time.Minute, 0) }, true, "unknown internal no process has taken pings since "},
		{"no process takes pings, and it is not overdue", time.Hour, func() job.Absence { return ago(time.Minute, 0) }, true, "up"},
		{"no process takes pings, and it was overdue before", 3 * limit, func() job.Absence { return ago(time.Minute, 0) }, true, "down timeout silent for"},
	}
	spec := job.Spec{
		Heartbeat: &job.Heartbeat{Token: "0123456789abcdef", Interval: job.Duration(time.Hour), Grace: job.Duration(10 * time.Minute)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // with a fixed time
				pings := ages{since: 1000 * time.Hour, ok: c.silent}.source(time.Now())
				pings.pings.Absences, pings.pings.NoListener = []job.Absence{c.absence()}, c.noListener
				got := checker(t, check.Config{Pings: pings}).Check(t.Context(), spec)
				if text := strings.TrimSpace(describe(got)); !strings.HasPrefix(text, c.want) || c.want == "up" && text != "up" {
					t.Errorf("got %q, want %q", text, c.want)
				}
			})
		})
	}
}

func TestHeartbeatHasFactsAndNeedsPings(t *testing.T) {
	t.Parallel()
	spec := job.Spec{
		Heartbeat: &job.Heartbeat{Token: "0123456789abcdef", Interval: job.Duration(2 * time.Hour)},
		Expect:    []string{"running", `silence < duration("2h")`, `output == "hi"`, "exit_code == 0"},
	}
	pings := ages{since: 1000 * time.Hour, ok: time.Hour, start: time.Minute, last: job.Ping{Output: "hi"}}.source(time.Now())
	if got := checker(t, check.Config{Pings: pings}).Check(t.Context(), spec); got.Health != job.Up {
		t.Errorf("got %+v, want up, by its facts", got)
	}
	for name, config := range map[string]check.Config{"no instance": {}, "no server": {Pings: source{err: errors.New("away")}}} {
		if got := checker(t, config).Check(t.Context(), spec); got.Health != job.Unknown {
			t.Errorf("%s: got %+v, want unknown", name, got)
		}
	}
}
