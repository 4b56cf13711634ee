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
	// Absences are the times in which no ping could be taken, oldest first. The
	// last one may still last.
	Absences []job.Absence
	// Listening reports whether pings can be taken now. NoListener is set when they
	// could not be taken for so long that the silence of a job says nothing about it.
	Listening, NoListener bool
}

// errNoPings is why a heartbeat cannot be checked.
var errNoPings = errors.New("only a running instance can check heartbeats")

// probeHeartbeat checks a job by its last pings. Up means that it succeeded in
// time, and has not failed since.
func probeHeartbeat(ctx context.Context, a *attempt) (Facts, error) {
	if a.c.config.Pings == nil {
		return nil, &localError{errNoPings}
	}
	pings, err := a.c.config.Pings.LastPings(ctx, a.spec.Heartbeat.Token)
	if err != nil {
		return nil, newLocalError("read pings", err)
	}
	now := time.Now()
	err = heartbeatFailure(pings, a.spec.Heartbeat, now)
	if err == nil && pings.undecided(a.spec.Heartbeat, now) {
		return nil, &localError{fmt.Errorf("no process has taken pings since %s", pings.Absences[len(pings.Absences)-1].From.UTC().Format("15:04:05 UTC"))}
	}
	return Facts{
		"silence": max(0, now.Sub(pings.LastSuccess())-pings.absence(now)), "exit_code": pings.Last.ExitCode, "output": pings.Last.Output,
		"running": pings.Start.After(pings.OK) && pings.Start.After(pings.Fail),
	}, err
}

// LastSuccess is since when nothing good was heard.
func (b LastPings) LastSuccess() time.Time {
	if b.OK.After(b.Since) {
		return b.OK
	}
	return b.Since
}

// absence is the time since the last success in which no ping could be taken.
func (b LastPings) absence(now time.Time) time.Duration {
	var all time.Duration
	for _, a := range b.Absences {
		all += a.Within(b.LastSuccess(), now)
	}
	return all
}

// undecided reports whether a job is silent for too long, and no process takes
// pings, so that it may have tried.
func (b LastPings) undecided(h *job.Heartbeat, now time.Time) bool {
	return b.NoListener && len(b.Absences) > 0 && now.Sub(b.LastSuccess()) > h.Deadline()
}

// heartbeatFailure returns an error if the job is down. A job that failed is
// down until it succeeds, even if it starts again.
func heartbeatFailure(b LastPings, h *job.Heartbeat, now time.Time) error {
	switch {
	case b.Fail.After(b.OK):
		cause := fmt.Sprintf("the job failed %s ago", max(0, now.Sub(b.Fail)).Truncate(time.Second))
		if b.Last.ExitCode != 0 {
			cause += fmt.Sprintf(", exit code %d", b.Last.ExitCode)
		}
		if output := strings.TrimSpace(b.Last.Output); output != "" {
			cause += ": " + truncate([]byte(output))
		}
		return &targetError{job.ClassStatus, cause}
	case now.Sub(h.DueBy(b.LastSuccess(), b.Absences)) >= time.Second:
		return &targetError{job.ClassTimeout, b.silenceText(h, now)}
	default:
		return nil
	}
}

// silenceText describes a silence that is too long.
func (b LastPings) silenceText(h *job.Heartbeat, now time.Time) string {
	cause := fmt.Sprintf("silent for %s, expected a ping every %s", max(0, now.Sub(b.LastSuccess())).Truncate(time.Second), h.Interval.Std())
	if h.Grace > 0 {
		cause += fmt.Sprintf(", with %s of grace", h.Grace.Std())
	}
	if away := b.absence(now).Round(time.Second); away > 0 {
		cause += fmt.Sprintf("; no ping could be taken for %s of that time", away)
	}
	return cause
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
	p.require(h.Interval > 0, "interval", h.Interval, "more than 0s")
	p.require(h.Grace >= 0, "grace", h.Grace, "none below 0s")
}
