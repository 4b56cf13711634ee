package check

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Config configures a checker.
type Config struct {
	// UserAgent is sent in HTTP requests. Defaults to "vedette".
	UserAgent string
	// RootCAs replace the system's root certificates, if not nil.
	RootCAs *x509.CertPool
	// Resolver defaults to the system's.
	Resolver *net.Resolver
	// BodyLimit is the number of bytes read from a body. Defaults to 10 MiB.
	BodyLimit int64
	// Probes replace probes by kind, for tests and injected faults.
	Probes map[string]Probe
	// Pings returns the pings from jobs. Without it, heartbeats are unknown.
	Pings PingSource
	// Secrets resolves secret references. Without it, checks that need a secret
	// are unknown.
	Secrets Secrets
	// NetworkPolicy selects the addresses that may be dialled.
	NetworkPolicy NetworkPolicy
	// PerHost limits the concurrent checks on one host; others wait. Zero means
	// no limit.
	PerHost int
	// Logger defaults to discarding everything.
	Logger *slog.Logger
}

// Checker runs checks. It is safe for concurrent use.
type Checker struct {
	config      Config
	probes      map[string]Probe
	kinds       map[string]probeKind
	programs    *programs
	buffers     bufferPool
	userAgent   []string // header value
	hostLimiter hostLimiter
}

// DefaultTimeout applies to specs without a timeout.
const DefaultTimeout = 10 * time.Second

const (
	defaultBodyLimit = 10 << 20
	// probeOverrun is how long after the deadline a result is still accepted.
	probeOverrun = 100 * time.Millisecond
)

// New returns a checker.
func New(config Config) (*Checker, error) {
	if config.BodyLimit < 0 {
		return nil, fmt.Errorf("create checker: found body limit %d, expected more than 0", config.BodyLimit)
	}
	config.UserAgent = cmp.Or(config.UserAgent, "vedette")
	config.Resolver = cmp.Or(config.Resolver, net.DefaultResolver)
	config.BodyLimit = cmp.Or(config.BodyLimit, defaultBodyLimit)
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	programs, err := newPrograms()
	if err != nil {
		return nil, fmt.Errorf("create checker: %w", err)
	}
	if len(config.NetworkPolicy.rules) == 0 {
		if config.NetworkPolicy, err = NewNetworkPolicy(nil, nil); err != nil {
			return nil, fmt.Errorf("create checker: %w", err)
		}
	}
	c := &Checker{config: config, programs: programs, probes: map[string]Probe{}, kinds: probeKinds(), userAgent: []string{config.UserAgent}, hostLimiter: hostLimiter{limit: config.PerHost}}
	for name, kind := range c.kinds {
		c.probes[name] = c.probe(kind)
	}
	for name, probe := range config.Probes {
		c.probes[name] = probe
		delete(c.kinds, name)
	}
	return c, nil
}

// Check runs one check and always returns a result, shortly after the spec's
// timeout at the latest, even if the target or the probe hangs. The result is
// unknown if ctx ends before, or if a referenced secret is not available.
// Results contain no secrets.
func (c *Checker) Check(ctx context.Context, spec job.Spec) job.ProbeResult {
	if !spec.HasReference() {
		return c.check(ctx, spec)
	}
	filled, f, err := c.expandSecrets(spec)
	if err != nil {
		return internalResult(time.Now(), err)
	}
	result := c.check(context.WithValue(ctx, originalSpecKey{}, spec), filled)
	f.redactReferenced(filled, &result)
	return result
}

// check runs one check for a spec without references.
func (c *Checker) check(ctx context.Context, spec job.Spec) job.ProbeResult {
	kind, err := spec.Kind()
	if err != nil {
		return internalResult(time.Now(), err)
	}
	if err := c.validate(kind, spec); err != nil {
		return internalResult(time.Now(), err)
	}
	timeout := timeoutOf(spec)
	if c.hostLimiter.limit > 0 {
		leave, err := c.hostLimiter.acquire(ctx, hostOf(spec), timeout)
		if err != nil {
			return internalResult(time.Now(), err)
		}
		defer leave()
	}
	started := time.Now()
	limited, cancel := context.WithDeadlineCause(ctx, started.Add(timeout), errDeadline)
	defer cancel()
	result, facts := c.run(limited, kind, spec)
	result.Started = started.UTC()
	result.Latency = job.Duration(max(time.Since(started), result.Latency.Std()))
	if ctx.Err() != nil && result.Health == job.Down {
		return internalResult(started, fmt.Errorf("interrupted: %w", context.Cause(ctx)))
	}
	c.applyExpectations(limited, spec, facts, &result)
	result.Cause = redactLiteral(result.Cause, spec)
	return result
}

// validate returns an error for an invalid spec, since ad-hoc checks may not
// have been validated. An invalid spec is no statement about its target.
func (c *Checker) validate(kind string, spec job.Spec) error {
	var p problems
	if known, ok := c.kinds[kind]; ok { // replaced probes validate their own parameters
		known.validate(spec, &p)
	}
	if len(p.found) > 0 {
		return fmt.Errorf("invalid spec: %w", p.found[0])
	}
	return nil
}

// applyExpectations applies expectations, negation and warnings to the result
// of a probe.
func (c *Checker) applyExpectations(ctx context.Context, spec job.Spec, facts Facts, result *job.ProbeResult) {
	if facts != nil {
		facts.addCommon(*result)
		c.evaluate(ctx, expectations{spec, spec.Expect, job.Down}, facts, result)
	}
	if spec.Negate {
		negateResult(result)
	}
	if facts != nil {
		c.evaluate(ctx, expectations{spec, spec.Warn, job.Degraded}, facts, result)
	}
}

// negateResult swaps up and down.
func negateResult(result *job.ProbeResult) {
	switch result.Health {
	case job.Up:
		result.Health, result.Class, result.Cause = job.Down, job.ClassExpectation, "up, expected down (negate)"
	case job.Down:
		result.Health, result.Class, result.Cause = job.Up, "", ""
	case job.Degraded, job.Pending, job.Unknown:
	}
}

// errDeadline is the cause for a check's context after the deadline.
var errDeadline = errors.New("the check's deadline passed")

// probeReturn is what a probe returns.
type probeReturn struct {
	result job.ProbeResult
	facts  Facts
}

// run calls a strict probe directly, and any other in a separate goroutine, so
// that a hanging probe blocks only its check and not the worker.
func (c *Checker) run(ctx context.Context, name string, spec job.Spec) (job.ProbeResult, Facts) {
	if c.kinds[name].strict { // not replaced
		return callProbe(ctx, c.probes[name], spec)
	}
	answer := make(chan probeReturn, 1)
	go func() {
		var returned probeReturn
		exited, started := true, time.Now()
		defer func() {
			if exited {
				returned.result = internalResult(started, errors.New("probe called runtime.Goexit"))
				returned.result.Stack = string(debug.Stack())
			}
			answer <- returned
		}()
		returned.result, returned.facts = callProbe(ctx, c.probes[name], spec)
		exited = false
	}()
	select {
	case f := <-answer:
		return f.result, f.facts
	case <-ctx.Done():
	}
	grace := time.NewTimer(probeOverrun)
	defer grace.Stop()
	select {
	case f := <-answer:
		return f.result, f.facts
	case <-grace.C:
		c.config.Logger.WarnContext(ctx, "probe did not return at its deadline", "target", originalSpec(ctx, spec).Target())
		return job.ProbeResult{Health: job.Down, Class: job.ClassTimeout, Cause: "no answer in time"}, nil
	}
}

// callProbe calls a probe, and returns a result for a panic.
func callProbe(ctx context.Context, probe Probe, spec job.Spec) (result job.ProbeResult, facts Facts) {
	started := time.Now()
	defer func() {
		if value := recover(); value != nil {
			result, facts = internalResult(started, fmt.Errorf("probe panicked: %v", value)), nil
			result.Stack = string(debug.Stack())
		}
	}()
	return probe(ctx, spec)
}

// internalResult is the result for a check that could not run.
func internalResult(started time.Time, err error) job.ProbeResult {
	return job.ProbeResult{
		Health: job.Unknown, Class: job.ClassInternal, Cause: err.Error(), Started: started.UTC(), Latency: job.Duration(time.Since(started)),
	}
}

func downResult(class job.Class, cause string) job.ProbeResult {
	return job.ProbeResult{Health: job.Down, Class: class, Cause: cause}
}

// CheckAll runs checks, at most limit at once, and yields each result with the
// index of its spec as it arrives. There is a result for every spec: after the
// end of ctx, the remaining results are unknown. Ending the iteration cancels
// running checks.
func CheckAll(ctx context.Context, specs []job.Spec, limit int, check func(context.Context, job.Spec) job.ProbeResult) iter.Seq2[int, job.ProbeResult] {
	return func(yield func(int, job.ProbeResult) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer group.Wait()
		defer cancel()
		type indexed struct {
			index  int
			result job.ProbeResult
		}
		results := make(chan indexed, len(specs))
		indexes := make(chan int, len(specs))
		for index := range specs {
			indexes <- index
		}
		close(indexes)
		for range min(limit, len(specs)) {
			group.Go(func() {
				for index := range indexes {
					results <- indexed{index, check(ctx, specs[index])}
				}
			})
		}
		for range specs {
			if p := <-results; !yield(p.index, p.result) {
				return
			}
		}
	}
}
