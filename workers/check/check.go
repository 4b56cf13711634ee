// Package check makes checks: a probe is a function of a spec and a context to
// an outcome, and a failure is a value.
//
// An outcome is down only when the target is. What went wrong on our side, a
// panic of a probe, no more sockets, a process that stops, is unknown, with
// class internal.
//
// # Facts
//
// Expectations are CEL expressions over the facts of their probe:
//
//	http  status        int                   of the last response
//	http  headers       map(string, string)   names in lower case, values joined by ", "
//	http  body          string                what was read of it
//	http  json          dyn                   the body, when it is JSON; else missing
//	http  http_version  string                "1.1" or "2"
//	http  certificate   Certificate           of the last connection with TLS; else missing
//	both  latency       duration              of the whole check
//	both  phases        map(string, duration) dns connect tls first_byte transfer
//	both  ip            string                that was dialled last
//
// A Certificate has subject, issuer (string), sans (list(string)), not_after
// (timestamp) and expires_in (duration).
//
// What is missing, or of another type than what it is compared with, makes an
// expectation fail, whether it is put positively or negatively: json.a != "x"
// fails when there is no a, and when a is a number. Only has(json.a) asks
// whether something is there. As everywhere in CEL, || and && may do without
// the side that failed when the other one decides.
package check

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"runtime/debug"
	"time"

	"vedette/pipeline/job"
)

// Config says how checks are made.
type Config struct {
	// UserAgent of http checks. Defaults to "vedette".
	UserAgent string
	// RootCAs are trusted instead of the system's. Nil means the system's.
	RootCAs *x509.CertPool
	// Resolver looks names up. Defaults to the system's.
	Resolver *net.Resolver
	// BodyLimit is how many bytes of a body are read. Defaults to 10 MiB.
	BodyLimit int64
	// Probes replace probes by kind, for tests and injected faults.
	Probes map[string]Probe
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Probe makes one check. It should respect its context, whose deadline is that
// of the whole check, but nobody relies on it.
type Probe func(ctx context.Context, spec job.Spec) (job.Outcome, Facts)

// Facts are what expectations speak of, by name. What is not there is missing.
type Facts map[string]any

// Checker makes checks. It is safe for concurrent use.
type Checker struct {
	config   Config
	probes   map[string]Probe
	programs *programs
}

// DefaultTimeout is a check's when its spec has none.
const DefaultTimeout = 10 * time.Second

const (
	defaultBodyLimit = 10 << 20
	// overrun is how long after its deadline a probe may still tell what it
	// found, before it is left behind.
	overrun = 100 * time.Millisecond
)

// New makes a checker.
func New(config Config) (*Checker, error) {
	if config.BodyLimit < 0 {
		return nil, fmt.Errorf("make checker: found body limit %d, expected more than 0", config.BodyLimit)
	}
	if config.UserAgent == "" {
		config.UserAgent = "vedette"
	}
	if config.Resolver == nil {
		config.Resolver = net.DefaultResolver
	}
	if config.BodyLimit == 0 {
		config.BodyLimit = defaultBodyLimit
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	programs, err := newPrograms()
	if err != nil {
		return nil, fmt.Errorf("make checker: %w", err)
	}
	c := &Checker{config: config, programs: programs}
	// A new probe is a file, and a line here.
	c.probes = map[string]Probe{
		job.KindHTTP: c.http,
		job.KindTCP:  c.tcp,
	}
	maps.Copy(c.probes, config.Probes)
	return c, nil
}

// Check makes one check, and always returns an outcome: within the spec's
// timeout and a moment more, whatever the target and the probe do. When ctx
// ends before, the outcome is unknown.
func (c *Checker) Check(ctx context.Context, spec job.Spec) job.Outcome {
	kind, err := spec.Kind()
	if err != nil {
		return internal(time.Now(), err)
	}
	timeout := spec.Timeout.Std()
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	started := time.Now()
	limited, cancel := context.WithDeadlineCause(ctx, started.Add(timeout), errDeadline)
	defer cancel()
	outcome, facts := c.run(limited, c.probes[kind], spec)
	outcome.Started = started.UTC()
	outcome.Latency = job.Duration(max(time.Since(started), outcome.Latency.Std()))
	if ctx.Err() != nil && outcome.Health == job.Down {
		return internal(started, fmt.Errorf("interrupted: %w", context.Cause(ctx)))
	}
	if len(spec.Expect) > 0 && facts != nil {
		facts.add(outcome)
		c.expect(limited, spec, facts, &outcome)
	}
	return outcome
}

// errDeadline is the cause of a check's context once its time is over.
var errDeadline = errors.New("the check's deadline passed")

// found is what a probe comes back with.
type found struct {
	outcome job.Outcome
	facts   Facts
}

// run calls a probe beside us, so that one that hangs costs the check and not
// the worker.
func (c *Checker) run(ctx context.Context, probe Probe, spec job.Spec) (job.Outcome, Facts) {
	answer := make(chan found, 1)
	started := time.Now()
	go func() {
		returned := false
		defer func() {
			if !returned {
				answer <- found{outcome: panicked(started, recover())}
			}
		}()
		outcome, facts := probe(ctx, spec)
		returned = true
		answer <- found{outcome, facts}
	}()
	select {
	case f := <-answer:
		return f.outcome, f.facts
	case <-ctx.Done():
	}
	patience := time.NewTimer(overrun)
	defer patience.Stop()
	select {
	case f := <-answer:
		return f.outcome, f.facts
	case <-patience.C:
		c.config.Logger.WarnContext(ctx, "probe ignores its deadline", "target", spec.Target())
		return job.Outcome{Health: job.Down, Class: job.ClassTimeout, Cause: "no answer in time"}, nil
	}
}

// panicked is the outcome of a probe that did not return: a panic has a value,
// a Goexit has none.
func panicked(started time.Time, value any) job.Outcome {
	outcome := internal(started, errors.New("probe called runtime.Goexit"))
	if value != nil {
		outcome = internal(started, fmt.Errorf("probe panicked: %v", value))
	}
	outcome.Stack = string(debug.Stack())
	return outcome
}

// internal is the outcome of a check that could not be made.
func internal(started time.Time, err error) job.Outcome {
	return job.Outcome{
		Health: job.Unknown, Class: job.ClassInternal, Cause: err.Error(), Started: started.UTC(), Latency: job.Duration(time.Since(started)),
	}
}

func down(class job.Class, cause string) job.Outcome {
	return job.Outcome{Health: job.Down, Class: class, Cause: cause}
}
