// Package check makes checks: a probe is a function of a spec and a context to
// an result, and a failure is a value.
//
// An result is down only when the target is. What went wrong on our side, a
// panic of a probe, no more sockets, a process that stops, is unknown, with
// class internal.
//
// # Secrets
//
// What a probe sends may refer to secrets, see vedette/pipeline/job. They are
// looked up for each check, put where they belong (percent-encoded in a URL, as
// they are elsewhere), and hidden in whatever the check has to tell, however a
// server that echoes them may have written them. A redirect to another host does
// not get them. Expectations know no secrets.
//
// # Facts
//
// Expectations are CEL expressions over the facts of their probe:
//
//	all        latency       duration              of the whole check
//	all        phases        map(string, duration) dns connect tls processing transfer
//	all        ip            string                that was dialled last
//	http       status        int                   of the last response
//	http       headers       map(string, string)   names in lower case, values joined by ", "
//	http       body          string                what was read of it
//	http       json          dyn                   the body, when it is JSON; else missing
//	http       http_version  string                "1.1" or "2"
//	http       certificate   Certificate           of the last connection with TLS; else missing
//	tcp        captures      map(string, string)   what the groups of the dialogue's expressions matched
//	tcp        certificate   Certificate           of a connection with TLS; else missing
//	tls        certificate   Certificate
//	tls        tls_version   string                "TLS 1.2" or "TLS 1.3"
//	dns        rcode         string                "NOERROR", "NXDOMAIN", …
//	dns        answers       list(string)          the data of the answers, such as "192.0.2.1"
//	dns        authority     list(string)          the records of the authority section
//	dns        ttl           int                   the least of the answers, in seconds; else missing
//	dns        authoritative bool                  whether the server answers for itself
//	icmp       sent          int                   echo requests
//	icmp       received      int                   answers to them
//	icmp       loss          double                the part that is missing, 0 to 1
//	icmp       rtt           map(string, duration) min avg max; missing without an answer
//	grpc       serving       string                "SERVING", "NOT_SERVING", …
//	grpc       certificate   Certificate           of a connection with TLS; else missing
//	websocket  status        int                   of the response to the upgrade
//	websocket  message       string                that held what was expected; else missing
//	websocket  certificate   Certificate           of a connection with TLS; else missing
//	heartbeat  silence       duration              since the job ran well
//	heartbeat  exit_code     int                   that it told last, 0 if none
//	heartbeat  output        string                the end of what it printed
//	heartbeat  running       bool                  whether it has begun, and not ended
//
// A Certificate has subject, issuer (string), sans (list(string)), not_after
// (timestamp, the earliest in the chain that was verified) and expires_in
// (duration).
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
	// PingSource tells what jobs said of themselves; without it, heartbeats are not
	// judged.
	Pings PingSource
	// Secrets are what references to secrets are replaced by; without it, a check
	// that needs one is not made.
	Secrets Secrets
	// NetworkPolicy says which addresses may be dialled.
	NetworkPolicy NetworkPolicy
	// PerHost is how many checks of one host are made at once; those beyond wait
	// their turn. Zero means any number.
	PerHost int
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Probe makes one check. It should respect its context, whose deadline is that
// of the whole check, but nobody relies on it.
type Probe func(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts)

// Facts are what expectations speak of, by name. What is not there is missing.
type Facts map[string]any

// Checker makes checks. It is safe for concurrent use.
type Checker struct {
	config   Config
	probes   map[string]Probe
	strict   map[string]bool
	kinds    map[string]probeKind
	programs *programs
	buffers  bufferPool
	userAgent    []string // of http requests
	hostLimiter    hostLimiter
}

// DefaultTimeout is a check's when its spec has none.
const DefaultTimeout = 10 * time.Second

const (
	defaultBodyLimit = 10 << 20
	// probeOverrun is how long after its deadline a probe may still tell what it
	// probeReturn, before it is left behind.
	probeOverrun = 100 * time.Millisecond
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
	if len(config.NetworkPolicy.rules) == 0 {
		if config.NetworkPolicy, err = NewNetworkPolicy(nil, nil); err != nil {
			return nil, fmt.Errorf("make checker: %w", err)
		}
	}
	c := &Checker{config: config, programs: programs, probes: map[string]Probe{}, strict: map[string]bool{}, kinds: probeKinds(), userAgent: []string{config.UserAgent}, hostLimiter: hostLimiter{limit: config.PerHost}}
	for name, kind := range c.kinds {
		c.probes[name], c.strict[name] = kind.probe(c), kind.strict && config.Probes[name] == nil
	}
	for name, probe := range config.Probes {
		c.probes[name] = probe
		delete(c.kinds, name)
	}
	return c, nil
}

// Check makes one check, and always returns an result: within the spec's
// timeout and a moment more, whatever the target and the probe do. When ctx
// ends before, the result is unknown; so it is when a secret that the spec
// refers to cannot be had. No result holds a secret.
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

// check makes one check of a spec without references.
func (c *Checker) check(ctx context.Context, spec job.Spec) job.ProbeResult {
	kind, err := spec.Kind()
	if err != nil {
		return internalResult(time.Now(), err)
	}
	if err := c.validate(kind, spec); err != nil {
		return internalResult(time.Now(), err)
	}
	timeout := spec.Timeout.Std()
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
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

// validate returns what is wrong with a spec, which whoever ordered the check may
// not have validated. A wrong spec says nothing of its target.
func (c *Checker) validate(kind string, spec job.Spec) error {
	var p problems
	if known, ok := c.kinds[kind]; ok { // a probe that was put in place of ours knows its own parameters
		known.validate(spec, &p)
	}
	if len(p.found) > 0 {
		return fmt.Errorf("the spec is wrong: %s", p.found[0])
	}
	return nil
}

// applyExpectations turns what a probe found into what the spec makes of it.
func (c *Checker) applyExpectations(ctx context.Context, spec job.Spec, facts Facts, result *job.ProbeResult) {
	if facts != nil && len(spec.Expect)+len(spec.Warn) > 0 {
		facts.addCommon(*result)
	}
	if facts != nil && result.Health == job.Up {
		c.expect(ctx, spec, facts, result)
	}
	if spec.Negate {
		negateResult(result)
	}
	if facts != nil && result.Health == job.Up {
		c.warn(ctx, spec, facts, result)
	}
}

// negateResult makes up of down, and down of up.
func negateResult(result *job.ProbeResult) {
	switch result.Health {
	case job.Up:
		result.Health, result.Class, result.Cause = job.Down, job.ClassExpectation, "up, expected down (negate)"
	case job.Down:
		result.Health, result.Class, result.Cause = job.Up, "", ""
	case job.Degraded, job.Pending, job.Unknown:
	}
}

// errDeadline is the cause of a check's context once its time is over.
var errDeadline = errors.New("the check's deadline passed")

// probeReturn is what a probe comes back with.
type probeReturn struct {
	result job.ProbeResult
	facts   Facts
}

// run calls a probe: here if it is strict about its deadline, else beside us, so
// that one that hangs costs the check and not the worker.
func (c *Checker) run(ctx context.Context, name string, spec job.Spec) (job.ProbeResult, Facts) {
	if c.strict[name] {
		return callProbe(ctx, c.probes[name], spec)
	}
	answer := make(chan probeReturn, 1)
	go func() {
		exited := probeReturn{result: job.ProbeResult{Health: job.Unknown, Class: job.ClassInternal, Cause: "probe called runtime.Goexit"}}
		defer func() {
			if exited.result.Cause != "" {
				exited.result.Stack = string(debug.Stack())
				answer <- exited
			}
		}()
		result, facts := callProbe(ctx, c.probes[name], spec)
		exited.result.Cause = "" // it did not
		answer <- probeReturn{result, facts}
	}()
	select {
	case f := <-answer:
		return f.result, f.facts
	case <-ctx.Done():
	}
	patience := time.NewTimer(probeOverrun)
	defer patience.Stop()
	select {
	case f := <-answer:
		return f.result, f.facts
	case <-patience.C:
		c.config.Logger.WarnContext(ctx, "probe ignores its deadline", "target", originalSpec(ctx, spec).Target())
		return job.ProbeResult{Health: job.Down, Class: job.ClassTimeout, Cause: "no answer in time"}, nil
	}
}

// callProbe calls a probe, and makes an result of a panic.
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

// internalResult is the result of a check that could not be made.
func internalResult(started time.Time, err error) job.ProbeResult {
	return job.ProbeResult{
		Health: job.Unknown, Class: job.ClassInternal, Cause: err.Error(), Started: started.UTC(), Latency: job.Duration(time.Since(started)),
	}
}

func downResult(class job.Class, cause string) job.ProbeResult {
	return job.ProbeResult{Health: job.Down, Class: class, Cause: cause}
}
