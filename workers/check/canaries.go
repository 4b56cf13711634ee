package check

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"vedette/pipeline/job"
)

// Guard makes checks, and doubts itself: when a target cannot be reached, it
// looks whether its canaries can, which are there whenever the network is. If
// none can, it is we who are cut off, and the outcome is unknown. It is safe for
// concurrent use.
type Guard struct {
	prober   prober
	canaries []job.Spec

	flight singleflight.Group
	mu     sync.Mutex
	last   doubt
}

type prober interface {
	Check(ctx context.Context, spec job.Spec) job.ProbeResult
}

// doubt is what a look at the canaries came to: why none can be reached, or
// nothing.
type doubt struct {
	cause string
	began time.Time
}

const (
	// canaryTimeout bounds a look at the canaries.
	canaryTimeout = 3 * time.Second
	// canaryFresh is how long a look counts, so that a thousand failures at once
	// are one look, and a target that is down for days is no burden to canaries.
	canaryFresh = 2 * time.Second
)

// NewGuard makes a guard. The canaries are targets as of [ParseTarget]; without
// any, no outcome is doubted.
func NewGuard(checker *Checker, canaries []string) (*Guard, error) {
	g := &Guard{prober: checker}
	for _, target := range canaries {
		spec, err := ParseTarget(target)
		if err != nil {
			return nil, fmt.Errorf("read canaries: %w", err)
		}
		spec.Timeout = job.Duration(canaryTimeout)
		g.canaries = append(g.canaries, spec)
	}
	return g, nil
}

// Check makes one check, as [Checker.Check] does.
func (g *Guard) Check(ctx context.Context, spec job.Spec) job.ProbeResult {
	outcome := g.prober.Check(ctx, spec)
	if len(g.canaries) == 0 || !doubtful(&outcome) {
		return outcome
	}
	if cause := g.doubt(ctx); cause != "" {
		outcome.Health, outcome.SelfCheckFailed = job.Unknown, true
		outcome.Cause = "this worker reaches none of its canaries (" + cause + "), so it cannot tell about: " + outcome.Cause
		outcome.Class = job.ClassInternal
	}
	return outcome
}

// doubtful tells whether an outcome may be due to our own network.
func doubtful(outcome *job.ProbeResult) bool {
	if outcome.Health != job.Down {
		return false
	}
	switch outcome.Class {
	case job.ClassDNS, job.ClassConnect, job.ClassTimeout:
		return true
	case job.ClassTLS, job.ClassProtocol, job.ClassStatus, job.ClassExpectation, job.ClassInternal:
		return false // something answered
	default:
		return false
	}
}

// doubt returns why no canary can be reached, or nothing.
func (g *Guard) doubt(ctx context.Context) string {
	g.mu.Lock()
	last := g.last
	g.mu.Unlock()
	if time.Since(last.began) < canaryFresh {
		return last.cause
	}
	found, _, _ := g.flight.Do("", func() (any, error) {
		began := time.Now()
		// Others wait for this look, whoever gives up waiting.
		cause := g.look(context.WithoutCancel(ctx))
		g.mu.Lock()
		defer g.mu.Unlock()
		g.last = doubt{cause: cause, began: began}
		return cause, nil
	})
	cause, _ := found.(string)
	return cause
}

// look checks all canaries, until one is up.
func (g *Guard) look(ctx context.Context) string {
	ctx, enough := context.WithTimeout(ctx, canaryTimeout)
	defer enough()
	outcomes := make(chan job.ProbeResult, len(g.canaries))
	for _, spec := range g.canaries {
		go func() { outcomes <- g.prober.Check(ctx, spec) }()
	}
	var causes []string
	for i := range g.canaries {
		outcome := <-outcomes
		if outcome.Health.OK() {
			return ""
		}
		if i < maxCauses {
			causes = append(causes, outcome.Cause)
		}
	}
	return strings.Join(causes, "; ")
}

// maxCauses bounds what is told of them.
const maxCauses = 3
