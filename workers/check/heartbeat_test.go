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

// beats are what a job said, or why that is not known.
type beats struct {
	said check.LastPings
	err  error
}

func (b beats) LastPings(context.Context, string) (check.LastPings, error) { return b.said, b.err }

// said is when a job said something: how long ago, zero for never.
type said struct {
	ok, start, fail, since time.Duration
	last                   job.Ping
}

func (s said) beats(now time.Time) beats {
	ago := func(d time.Duration) time.Time {
		if d == 0 {
			return time.Time{}
		}
		return now.Add(-d)
	}
	return beats{said: check.LastPings{OK: ago(s.ok), Start: ago(s.start), Fail: ago(s.fail), Since: ago(s.since), Last: s.last}}
}

func TestHeartbeatIsJudgedByWhatWasSaidLast(t *testing.T) {
	t.Parallel()
	const long = 1000 * time.Hour
	cases := []struct {
		name string
		said said
		want string
	}{
		{"just defined", said{since: 1}, "up"},
		{"never, for too long", said{since: 2 * time.Hour}, "down timeout silent for 2h0m0s, expected a ping every 1h0m0s, with 10m0s of grace"},
		{"in time", said{since: long, ok: time.Hour}, "up"},
		{"within the grace", said{since: long, ok: 70 * time.Minute}, "up"},
		{"late", said{since: long, ok: 70*time.Minute + time.Second}, "down timeout silent for 1h10m1s"},
		{"a start is not an end", said{since: long, ok: 72 * time.Minute, start: time.Minute}, "down timeout silent"},
		{"failed", said{since: long, ok: time.Hour, fail: time.Minute, last: job.Ping{ExitCode: 3, Output: "disk\nfull\n"}}, "down status the job failed 1m0s ago, exit code 3: disk\nfull"},
		{"failed, and begun again", said{since: long, fail: time.Minute, start: time.Second}, "down status the job failed 1m0s ago"},
		{"failed before", said{since: long, ok: time.Minute, fail: time.Hour}, "up"},
	}
	spec := job.Spec{Heartbeat: &job.Heartbeat{Token: "0123456789abcdef", Interval: job.Duration(time.Hour), Grace: job.Duration(10 * time.Minute)}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // where no time passes
				got := checker(t, check.Config{Pings: c.said.beats(time.Now())}).Check(t.Context(), spec)
				if text := strings.TrimSpace(describe(got)); !strings.HasPrefix(text, c.want) || c.want == "up" && text != "up" {
					t.Errorf("got %q, want %q", text, c.want)
				}
			})
		})
	}
}

func TestHeartbeatHasFactsAndNeedsAnInstance(t *testing.T) {
	t.Parallel()
	spec := job.Spec{
		Heartbeat: &job.Heartbeat{Token: "0123456789abcdef", Interval: job.Duration(2 * time.Hour)},
		Expect:    []string{"running", `silence < duration("2h")`, `output == "hi"`, "exit_code == 0"},
	}
	pings := said{since: 1000 * time.Hour, ok: time.Hour, start: time.Minute, last: job.Ping{Output: "hi"}}.beats(time.Now())
	if got := checker(t, check.Config{Pings: pings}).Check(t.Context(), spec); got.Health != job.Up {
		t.Errorf("got %+v, want up by its facts", got)
	}
	for name, config := range map[string]check.Config{"no instance": {}, "no server": {Pings: beats{err: errors.New("away")}}} {
		if got := checker(t, config).Check(t.Context(), spec); got.Health != job.Unknown {
			t.Errorf("%s: got %+v, want unknown", name, got)
		}
	}
}
