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

// PingSource knows what jobs have said of themselves.
type PingSource interface {
	// LastPings returns what was said under a token.
	LastPings(ctx context.Context, token string) (LastPings, error)
}

// LastPings are the last pings of a heartbeat, each kind for itself. Times are zero
// for what was never said; Since is when the heartbeat was first judged.
type LastPings struct {
	OK, Start, Fail, Since time.Time
	// Last is what was said with the later of OK and Fail.
	Last job.Ping
}

// errNoPings is why heartbeats cannot be judged.
var errNoPings = errors.New("heartbeats are judged by running instances only")

// probeHeartbeat judges a job by what it said of itself last. Up means that it ran
// in time, and did not fail.
func (c *Checker) probeHeartbeat(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	started := time.Now()
	if c.config.Pings == nil {
		return internalResult(started, errNoPings), nil
	}
	beats, err := c.config.Pings.LastPings(ctx, spec.Heartbeat.Token)
	if err != nil {
		return internalResult(started, fmt.Errorf("read pings: %w", err)), nil
	}
	now := time.Now()
	result := heartbeatResult(beats, spec.Heartbeat, now)
	return result, Facts{
		"silence": now.Sub(beats.lastSuccess()), "exit_code": beats.Last.ExitCode, "output": beats.Last.Output, "running": beats.Start.After(beats.OK) && beats.Start.After(beats.Fail),
	}
}

// lastSuccess is since when nothing good was heard.
func (b LastPings) lastSuccess() time.Time {
	if b.OK.After(b.Since) {
		return b.OK
	}
	return b.Since
}

// heartbeatResult is a pure function. A job that failed is down until it has run
// well, whatever it begins meanwhile.
func heartbeatResult(b LastPings, h *job.Heartbeat, now time.Time) job.ProbeResult {
	silence := now.Sub(b.lastSuccess()).Truncate(time.Second)
	switch {
	case b.Fail.After(b.OK):
		cause := fmt.Sprintf("the job failed %s ago", now.Sub(b.Fail).Truncate(time.Second))
		if b.Last.ExitCode != 0 {
			cause += fmt.Sprintf(", exit code %d", b.Last.ExitCode)
		}
		if output := strings.TrimSpace(b.Last.Output); output != "" {
			cause += ": " + truncate([]byte(output))
		}
		return downResult(job.ClassStatus, cause)
	case silence > h.Deadline():
		cause := fmt.Sprintf("silent for %s, expected a ping every %s", silence, h.Interval.Std())
		if h.Grace > 0 {
			cause += fmt.Sprintf(", with %s of grace", h.Grace.Std())
		}
		return downResult(job.ClassTimeout, cause)
	default:
		return job.ProbeResult{Health: job.Up}
	}
}

func heartbeatFacts() map[string]*cel.Type {
	return map[string]*cel.Type{"silence": cel.DurationType, "exit_code": cel.IntType, "output": cel.StringType, "running": cel.BoolType}
}

// minTokenLength is how long a token has to be, so that nobody can guess it.
const minTokenLength = 16

func validateHeartbeat(spec job.Spec, p *problems) {
	h := spec.Heartbeat
	if len(h.Token) < minTokenLength || !job.ValidName(h.Token) || strings.Contains(h.Token, ".") {
		p.add("token", "a token that will not do", fmt.Sprintf("%d or more letters, digits, _ and -", minTokenLength))
	}
	if h.Interval <= 0 {
		p.add("interval", fmt.Sprintf("interval %s", h.Interval), "more than 0s")
	}
	if h.Grace < 0 {
		p.add("grace", fmt.Sprintf("grace %s", h.Grace), "none below 0s")
	}
}
