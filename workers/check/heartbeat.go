package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// Pings knows what jobs have said of themselves.
type Pings interface {
	// Beats returns what was said under a token.
	Beats(ctx context.Context, token string) (Beats, error)
}

// Beats are the last pings of a heartbeat, each kind for itself. Times are zero
// for what was never said; Since is when the heartbeat was first judged.
type Beats struct {
	OK, Start, Fail, Since time.Time
	// Last is what was said with the later of OK and Fail.
	Last job.Ping
}

// errNoPings is why heartbeats cannot be judged.
var errNoPings = errors.New("heartbeats are judged by running instances only")

// heartbeat judges a job by what it said of itself last. Up means that it ran
// in time, and did not fail.
func (c *Checker) heartbeat(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	started := time.Now()
	if c.config.Pings == nil {
		return internal(started, errNoPings), nil
	}
	beats, err := c.config.Pings.Beats(ctx, spec.Heartbeat.Token)
	if err != nil {
		return internal(started, fmt.Errorf("read pings: %w", err)), nil
	}
	now := time.Now()
	outcome := judgeBeats(beats, spec.Heartbeat, now)
	return outcome, Facts{
		"silence": now.Sub(beats.heard()), "exit_code": beats.Last.ExitCode, "output": beats.Last.Output, "running": beats.Start.After(beats.OK) && beats.Start.After(beats.Fail),
	}
}

// heard is since when nothing good was heard.
func (b Beats) heard() time.Time {
	if b.OK.After(b.Since) {
		return b.OK
	}
	return b.Since
}

// judgeBeats is a pure function. A job that failed is down until it has run
// well, whatever it begins meanwhile.
func judgeBeats(b Beats, h *job.Heartbeat, now time.Time) job.ProbeResult {
	silence := now.Sub(b.heard()).Truncate(time.Second)
	switch {
	case b.Fail.After(b.OK):
		cause := fmt.Sprintf("the job failed %s ago", now.Sub(b.Fail).Truncate(time.Second))
		if b.Last.ExitCode != 0 {
			cause += fmt.Sprintf(", exit code %d", b.Last.ExitCode)
		}
		if output := strings.TrimSpace(b.Last.Output); output != "" {
			cause += ": " + shorten([]byte(output))
		}
		return down(job.ClassStatus, cause)
	case silence > h.Deadline():
		cause := fmt.Sprintf("silent for %s, expected a ping every %s", silence, h.Interval.Std())
		if h.Grace > 0 {
			cause += fmt.Sprintf(", with %s of grace", h.Grace.Std())
		}
		return down(job.ClassTimeout, cause)
	default:
		return job.ProbeResult{Health: job.Up}
	}
}

func heartbeatFacts() map[string]*cel.Type {
	return map[string]*cel.Type{"silence": cel.DurationType, "exit_code": cel.IntType, "output": cel.StringType, "running": cel.BoolType}
}

// minToken is how long a token has to be, so that nobody can guess it.
const minToken = 16

func validateHeartbeat(spec job.Spec, p *problems) {
	h := spec.Heartbeat
	if len(h.Token) < minToken || !job.ValidName(h.Token) || strings.Contains(h.Token, ".") {
		p.add("token", "a token that will not do", fmt.Sprintf("%d or more letters, digits, _ and -", minToken))
	}
	if h.Interval <= 0 {
		p.add("interval", fmt.Sprintf("interval %s", h.Interval), "more than 0s")
	}
	if h.Grace < 0 {
		p.add("grace", fmt.Sprintf("grace %s", h.Grace), "none below 0s")
	}
}
