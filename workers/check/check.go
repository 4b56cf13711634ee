// Package check makes checks: a probe is a function of a spec and a context to
// an outcome, and a failure is a value.
//
// An outcome is down only when the target is. What went wrong on our side, a
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
	// Pings tells what jobs said of themselves; without it, heartbeats are not
	// judged.
	Pings Pings
	// Secrets are what references to secrets are replaced by; without it, a check
	// that needs one is not made.
	Secrets Secrets
	// Policy says which addresses may be dialled.
	Policy Policy
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
	kinds    map[string]kind
	programs *programs
	buffers  buffers
	agent    []string // of http requests
	turns    turns
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
	if len(config.Policy.rules) == 0 {
		if config.Policy, err = NewPolicy(nil, nil); err != nil {
			return nil, fmt.Errorf("make checker: %w", err)
		}
	}
	c := &Checker{config: config, programs: programs, probes: map[string]Probe{}, strict: map[string]bool{}, kinds: kinds(), agent: []string{config.UserAgent}, turns: turns{limit: config.PerHost}}
	for name, kind := range c.kinds {
		c.probes[name], c.strict[name] = kind.probe(c), kind.strict && config.Probes[name] == nil
	}
	for name, probe := range config.Probes {
		c.probes[name] = probe
		delete(c.kinds, name)
	}
	return c, nil
}

// Check makes one check, and always returns an outcome: within the spec's
// timeout and a moment more, whatever the target and the probe do. When ctx
// ends before, the outcome is unknown; so it is when a secret that the spec
// refers to cannot be had. No outcome holds a secret.
func (c *Checker) Check(ctx context.Context, spec job.Spec) job.ProbeResult {
	if !spec.HasReference() {
		return c.check(ctx, spec)
	}
	filled, f, err := c.fill(spec)
	if err != nil {
		return internal(time.Now(), err)
	}
	outcome := c.check(context.WithValue(ctx, writtenKey{}, spec), filled)
	f.redactReferenced(filled, &outcome)
	return outcome
}

// check makes one check of a spec without references.
func (c *Checker) check(ctx context.Context, spec job.Spec) job.ProbeResult {
	kind, err := spec.Kind()
	if err != nil {
		return internal(time.Now(), err)
	}
	if err := c.refuse(kind, spec); err != nil {
		return internal(time.Now(), err)
	}
	timeout := spec.Timeout.Std()
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	if c.turns.limit > 0 {
		leave, err := c.turns.enter(ctx, hostOf(spec), timeout)
		if err != nil {
			return internal(time.Now(), err)
		}
		defer leave()
	}
	started := time.Now()
	limited, cancel := context.WithDeadlineCause(ctx, started.Add(timeout), errDeadline)
	defer cancel()
	outcome, facts := c.run(limited, kind, spec)
	outcome.Started = started.UTC()
	outcome.Latency = job.Duration(max(time.Since(started), outcome.Latency.Std()))
	if ctx.Err() != nil && outcome.Health == job.Down {
		return internal(started, fmt.Errorf("interrupted: %w", context.Cause(ctx)))
	}
	c.judge(limited, spec, facts, &outcome)
	outcome.Cause = redactLiteral(outcome.Cause, spec)
	return outcome
}

// refuse returns what is wrong with a spec, which whoever ordered the check may
// not have validated. A wrong spec says nothing of its target.
func (c *Checker) refuse(kind string, spec job.Spec) error {
	var p problems
	if known, ok := c.kinds[kind]; ok { // a probe that was put in place of ours knows its own parameters
		known.validate(spec, &p)
	}
	if len(p.found) > 0 {
		return fmt.Errorf("the spec is wrong: %s", p.found[0])
	}
	return nil
}

// judge turns what a probe found into what the spec makes of it.
func (c *Checker) judge(ctx context.Context, spec job.Spec, facts Facts, outcome *job.ProbeResult) {
	if facts != nil && len(spec.Expect)+len(spec.Warn) > 0 {
		facts.add(*outcome)
	}
	if facts != nil && outcome.Health == job.Up {
		c.expect(ctx, spec, facts, outcome)
	}
	if spec.Negate {
		negate(outcome)
	}
	if facts != nil && outcome.Health == job.Up {
		c.warn(ctx, spec, facts, outcome)
	}
}

// negate makes up of down, and down of up.
func negate(outcome *job.ProbeResult) {
	switch outcome.Health {
	case job.Up:
		outcome.Health, outcome.Class, outcome.Cause = job.Down, job.ClassExpectation, "up, expected down (negate)"
	case job.Down:
		outcome.Health, outcome.Class, outcome.Cause = job.Up, "", ""
	case job.Degraded, job.Pending, job.Unknown:
	}
}

// errDeadline is the cause of a check's context once its time is over.
var errDeadline = errors.New("the check's deadline passed")

// found is what a probe comes back with.
type found struct {
	outcome job.ProbeResult
	facts   Facts
}

// run calls a probe: here if it is strict about its deadline, else beside us, so
// that one that hangs costs the check and not the worker.
func (c *Checker) run(ctx context.Context, name string, spec job.Spec) (job.ProbeResult, Facts) {
	if c.strict[name] {
		return call(ctx, c.probes[name], spec)
	}
	answer := make(chan found, 1)
	go func() {
		exited := found{outcome: job.ProbeResult{Health: job.Unknown, Class: job.ClassInternal, Cause: "probe called runtime.Goexit"}}
		defer func() {
			if exited.outcome.Cause != "" {
				exited.outcome.Stack = string(debug.Stack())
				answer <- exited
			}
		}()
		outcome, facts := call(ctx, c.probes[name], spec)
		exited.outcome.Cause = "" // it did not
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
		c.config.Logger.WarnContext(ctx, "probe ignores its deadline", "target", written(ctx, spec).Target())
		return job.ProbeResult{Health: job.Down, Class: job.ClassTimeout, Cause: "no answer in time"}, nil
	}
}

// call calls a probe, and makes an outcome of a panic.
func call(ctx context.Context, probe Probe, spec job.Spec) (outcome job.ProbeResult, facts Facts) {
	started := time.Now()
	defer func() {
		if value := recover(); value != nil {
			outcome, facts = internal(started, fmt.Errorf("probe panicked: %v", value)), nil
			outcome.Stack = string(debug.Stack())
		}
	}()
	return probe(ctx, spec)
}

// internal is the outcome of a check that could not be made.
func internal(started time.Time, err error) job.ProbeResult {
	return job.ProbeResult{
		Health: job.Unknown, Class: job.ClassInternal, Cause: err.Error(), Started: started.UTC(), Latency: job.Duration(time.Since(started)),
	}
}

func down(class job.Class, cause string) job.ProbeResult {
	return job.ProbeResult{Health: job.Down, Class: class, Cause: cause}
}
