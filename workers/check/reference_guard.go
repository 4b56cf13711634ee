package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"vedette/pipeline/job"
)

// ReferenceGuard runs checks and verifies failures: when a target is
// unreachable, it checks reference targets, which are always reachable through
// a working network. If none of them is reachable, this worker is disconnected,
// and the result is unknown. It is safe for concurrent use.
type ReferenceGuard struct {
	checker checker
	targets []job.Spec

	flight singleflight.Group
	mu     sync.Mutex
	last   selfCheck
}

type checker interface {
	Check(ctx context.Context, spec job.Spec) job.ProbeResult
}

// selfCheck is the result of checking the reference targets. cause is empty if
// one of them was reachable.
type selfCheck struct {
	cause string
	began time.Time
}

const (
	// selfCheckTimeout limits a self-check.
	selfCheckTimeout = 3 * time.Second
	// selfCheckValidity is how long a self-check is reused, so that a thousand
	// simultaneous failures cause one, and a target that is down for days puts
	// no load on the reference targets.
	selfCheckValidity = 2 * time.Second
)

// NewReferenceGuard returns a guard with reference targets as for
// [ParseTarget]. Without targets, all results are final.
func NewReferenceGuard(checker *Checker, targets []string) (*ReferenceGuard, error) {
	g := &ReferenceGuard{checker: checker}
	for _, target := range targets {
		spec, err := ParseTarget(target)
		if err != nil {
			return nil, fmt.Errorf("read reference targets: %w", err)
		}
		spec.Timeout = job.Duration(selfCheckTimeout)
		g.targets = append(g.targets, spec)
	}
	return g, nil
}

// Check runs one check, like [Checker.Check].
func (g *ReferenceGuard) Check(ctx context.Context, spec job.Spec) job.ProbeResult {
	result := g.checker.Check(ctx, spec)
	if len(g.targets) == 0 || !mayBeLocal(&result) {
		return result
	}
	if cause := g.unreachableCause(ctx); cause != "" {
		result.Health, result.SelfCheckFailed = job.Unknown, true
		result.Cause = "no reference target is reachable from this worker (" + cause + "), so this failure is not confirmed: " + result.Cause
		result.Class = job.ClassInternal
	}
	return result
}

// mayBeLocal reports whether a failure may be caused by the local network.
func mayBeLocal(result *job.ProbeResult) bool {
	unanswered := []job.Class{job.ClassDNS, job.ClassConnect, job.ClassTimeout}
	return result.Health == job.Down && slices.Contains(unanswered, result.Class)
}

// unreachableCause returns why no reference target is reachable, or "".
func (g *ReferenceGuard) unreachableCause(ctx context.Context) string {
	g.mu.Lock()
	last := g.last
	g.mu.Unlock()
	if time.Since(last.began) < selfCheckValidity {
		return last.cause
	}
	found, _, _ := g.flight.Do("", func() (any, error) {
		began := time.Now()
		// Other checks wait for this one, even if its own context ends.
		cause := g.checkTargets(context.WithoutCancel(ctx))
		g.mu.Lock()
		defer g.mu.Unlock()
		g.last = selfCheck{cause: cause, began: began}
		return cause, nil
	})
	cause, _ := found.(string)
	return cause
}

// checkTargets checks all reference targets until one is up.
func (g *ReferenceGuard) checkTargets(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, selfCheckTimeout)
	defer cancel()
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

// maxCauses limits the causes in a result.
const maxCauses = 3
