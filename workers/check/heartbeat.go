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

// PingSource returns the pings from jobs.
type PingSource interface {
	// LastPings returns the last pings with a token.
	LastPings(ctx context.Context, token string) (LastPings, error)
}

// LastPings has the times of the last pings by kind, zero for kinds without
// one. Since is when the heartbeat was first checked.
type LastPings struct {
	OK, Start, Fail, Since time.Time
	// Last is the later ping among OK and Fail.
	Last job.Ping
}

// errNoPings is why a heartbeat cannot be checked.
var errNoPings = errors.New("only a running instance can check heartbeats")

// probeHeartbeat checks a job by its last pings. Up means that it succeeded in
// time, and has not failed since.
func (c *Checker) probeHeartbeat(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	started := time.Now()
	if c.config.Pings == nil {
		return internalResult(started, errNoPings), nil
	}
	pings, err := c.config.Pings.LastPings(ctx, spec.Heartbeat.Token)
	if err != nil {
		return internalResult(started, fmt.Errorf("read pings: %w", err)), nil
	}
	now := time.Now()
	result := heartbeatResult(pings, spec.Heartbeat, now)
	return result, Facts{
		"silence": now.Sub(pings.lastSuccess()), "exit_code": pings.Last.ExitCode, "output": pings.Last.Output, "running": pings.Start.After(pings.OK) && pings.Start.After(pings.Fail),
	}
}

// lastSuccess is since when nothing good was heard.
func (b LastPings) lastSuccess() time.Time {
	if b.OK.After(b.Since) {
		return b.OK
	}
	return b.Since
}

// heartbeatResult is a pure function. A job that failed is down until it
// succeeds, even if it starts again.
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

// minTokenLength is a length that prevents guessing.
const minTokenLength = 16

func validateHeartbeat(spec job.Spec, p *problems) {
	h := spec.Heartbeat
	if len(h.Token) < minTokenLength || !job.ValidName(h.Token) || strings.Contains(h.Token, ".") {
		p.add("token", "an invalid token", fmt.Sprintf("%d or more letters, digits, _ and -", minTokenLength))
	}
	if h.Interval <= 0 {
		p.add("interval", fmt.Sprintf("interval %s", h.Interval), "more than 0s")
	}
	if h.Grace < 0 {
		p.add("grace", fmt.Sprintf("grace %s", h.Grace), "none below 0s")
	}
}
