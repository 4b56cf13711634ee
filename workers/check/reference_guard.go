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

// ReferenceGuard makes checks, and doubts itself: when a target cannot be reached, it
// looks whether its canaries can, which are there whenever the network is. If
// noPhase can, it is we who are cut off, and the result is unknown. It is safe for
// concurrent use.
type ReferenceGuard struct {
	checker   checker
	targets []job.Spec

	flight singleflight.Group
	mu     sync.Mutex
	last   selfCheck
}

type checker interface {
	Check(ctx context.Context, spec job.Spec) job.ProbeResult
}

// selfCheck is what a look at the canaries came to: why none can be reached, or
// nothing.
type selfCheck struct {
	cause string
	began time.Time
}

const (
	// selfCheckTimeout bounds a look at the canaries.
	selfCheckTimeout = 3 * time.Second
	// selfCheckValidity is how long a look counts, so that a thousand failures at once
	// are one look, and a target that is down for days is no burden to canaries.
	selfCheckValidity = 2 * time.Second
)

// NewReferenceGuard makes a guard. The canaries are targets as of [ParseTarget]; without
// any, no result is doubted.
func NewReferenceGuard(checker *Checker, canaries []string) (*ReferenceGuard, error) {
	g := &ReferenceGuard{checker: checker}
	for _, target := range canaries {
		spec, err := ParseTarget(target)
		if err != nil {
			return nil, fmt.Errorf("read canaries: %w", err)
		}
		spec.Timeout = job.Duration(selfCheckTimeout)
		g.targets = append(g.targets, spec)
	}
	return g, nil
}

// Check makes one check, as [Checker.Check] does.
func (g *ReferenceGuard) Check(ctx context.Context, spec job.Spec) job.ProbeResult {
	result := g.checker.Check(ctx, spec)
	if len(g.targets) == 0 || !mayBeLocal(&result) {
		return result
	}
	if cause := g.unreachableCause(ctx); cause != "" {
		result.Health, result.SelfCheckFailed = job.Unknown, true
		result.Cause = "this worker reaches none of its canaries (" + cause + "), so it cannot tell about: " + result.Cause
		result.Class = job.ClassInternal
	}
	return result
}

// mayBeLocal tells whether an result may be due to our own network.
func mayBeLocal(result *job.ProbeResult) bool {
	if result.Health != job.Down {
		return false
	}
	switch result.Class {
	case job.ClassDNS, job.ClassConnect, job.ClassTimeout:
		return true
	case job.ClassTLS, job.ClassProtocol, job.ClassStatus, job.ClassExpectation, job.ClassInternal:
		return false // something answered
	default:
		return false
	}
}

// selfCheck returns why no canary can be reached, or nothing.
func (g *ReferenceGuard) unreachableCause(ctx context.Context) string {
	g.mu.Lock()
	last := g.last
	g.mu.Unlock()
	if time.Since(last.began) < selfCheckValidity {
		return last.cause
	}
	found, _, _ := g.flight.Do("", func() (any, error) {
		began := time.Now()
		// Others wait for this look, whoever gives up waiting.
		cause := g.checkTargets(context.WithoutCancel(ctx))
		g.mu.Lock()
		defer g.mu.Unlock()
		g.last = selfCheck{cause: cause, began: began}
		return cause, nil
	})
	cause, _ := found.(string)
	return cause
}

// checkTargets checks all canaries, until one is up.
func (g *ReferenceGuard) checkTargets(ctx context.Context) string {
	ctx, enough := context.WithTimeout(ctx, selfCheckTimeout)
	defer enough()
	results := make(chan job.ProbeResult, len(g.targets))
	for _, spec := range g.targets {
		go func() { results <- g.checker.Check(ctx, spec) }()
	}
	var causes []string
	for i := range g.targets {
		result := <-results
		if result.Health.OK() {
			return ""
		}
		if i < maxCauses {
			causes = append(causes, result.Cause)
		}
	}
	return strings.Join(causes, "; ")
}

// maxCauses bounds what is told of them.
const maxCauses = 3
