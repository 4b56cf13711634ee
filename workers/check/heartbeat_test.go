package check_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// beats are what a job said, or why that is not known.
type beats struct {
	said check.Beats
	err  error
}

func (b beats) Beats(context.Context, string) (check.Beats, error) { return b.said, b.err }

func TestHeartbeatIsJudgedByWhatWasSaidLast(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	long := ago(1000 * time.Hour)
	cases := []struct {
		name  string
		beats beats
		want  string
	}{
		{"just defined", beats{said: check.Beats{Since: ago(0)}}, "up"},
		{"never, for too long", beats{said: check.Beats{Since: ago(2 * time.Hour)}}, "down timeout silent for 2h0m0s, expected a ping every 1h0m0s, with 10m0s of grace"},
		{"in time", beats{said: check.Beats{Since: long, OK: ago(time.Hour)}}, "up"},
		{"within the grace", beats{said: check.Beats{Since: long, OK: ago(70*time.Minute - time.Second)}}, "up"},
		{"late", beats{said: check.Beats{Since: long, OK: ago(72 * time.Minute)}}, "down timeout silent for 1h12m0s"},
		{"a start is not an end", beats{said: check.Beats{Since: long, OK: ago(72 * time.Minute), Start: ago(time.Minute)}}, "down timeout silent"},
		{"failed", beats{said: check.Beats{Since: long, OK: ago(time.Hour), Fail: ago(time.Minute), Last: job.Ping{ExitCode: 3, Output: "disk\nfull\n"}}}, "down status the job failed 1m0s ago, exit code 3: disk\nfull"},
		{"failed, and begun again", beats{said: check.Beats{Since: long, Fail: ago(time.Minute), Start: ago(time.Second)}}, "down status the job failed 1m0s ago"},
		{"failed before", beats{said: check.Beats{Since: long, OK: ago(time.Minute), Fail: ago(time.Hour)}}, "up"},
		{"not known", beats{err: errors.New("no server")}, "unknown internal read pings: no server"},
	}
	spec := job.Spec{Heartbeat: &job.Heartbeat{Token: "0123456789abcdef", Interval: job.Duration(time.Hour), Grace: job.Duration(10 * time.Minute)}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := checker(t, check.Config{Pings: c.beats}).Check(t.Context(), spec)
			if text := strings.TrimSpace(describe(got)); !strings.HasPrefix(text, c.want) || c.want == "up" && text != "up" {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
	running := spec
	running.Expect = []string{"running", `silence < duration("2h")`, `output == "hi"`, "exit_code == 0"}
	said := beats{said: check.Beats{Since: long, OK: ago(time.Hour), Start: ago(time.Minute), Last: job.Ping{Output: "hi"}}}
	if got := checker(t, check.Config{Pings: said}).Check(t.Context(), running); got.Health != job.Up {
		t.Errorf("got %+v, want up by its facts", got)
	}
	if got := checker(t, check.Config{}).Check(t.Context(), spec); got.Health != job.Unknown {
		t.Errorf("got %+v without an instance, want unknown", got)
	}
}
