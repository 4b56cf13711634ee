package check

import (
	"context"
	"crypto/tls"
	"maps"
	"time"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// Probe runs one check. Its context has the check's deadline. A probe should
// respect the context, but the checker also tolerates a probe that does not.
type Probe func(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts)

// Facts are the values for expectations, by name. Missing facts have no entry.
type Facts map[string]any

// probeKind describes a probe: its function, its facts, and the validation of
// its parameters.
type probeKind struct {
	// probe returns an error unless the target is up, see [attempt.failureResult].
	probe    func(context.Context, *attempt) (Facts, error)
	facts    map[string]*cel.Type
	validate func(job.Spec, *problems)
	// strict says that the probe always returns at its deadline: it waits only
	// for name lookups and connections, which end then. Other probes run in a
	// separate goroutine that the checker can abandon, which adds a fifth to
	// the cost of a check.
	strict bool
}

// probeKinds returns the probes. A new probe is one file and one line here.
func probeKinds() map[string]probeKind {
	return map[string]probeKind{
		job.KindHTTP:      {probeHTTP, httpFacts(), validateHTTP, true},
		job.KindTCP:       {probeTCP, tcpFacts(), validateTCP, true},
		job.KindTLS:       {probeTLS, tlsFacts(), validateTLS, true},
		job.KindDNS:       {probeDNS, dnsFacts(), validateDNS, true},
		job.KindICMP:      {probeICMP, icmpFacts(), validateICMP, false},
		job.KindGRPC:      {probeGRPC, grpcFacts(), validateGRPC, false},
		job.KindWebSocket: {probeWebSocket, webSocketFacts(), validateWebSocket, false},
		job.KindHeartbeat: {probeHeartbeat, heartbeatFacts(), validateHeartbeat, false},
	}
}

// factTypes returns the facts for a kind, including the common ones.
func factTypes(name string) map[string]*cel.Type {
	facts := map[string]*cel.Type{
		"latency": cel.DurationType,
		"phases":  cel.MapType(cel.StringType, cel.DurationType),
		"ip":      cel.StringType,
	}
	maps.Copy(facts, probeKinds()[name].facts)
	return facts
}

// certificateType is the type for the certificate fact.
func certificateType() *cel.Type { return cel.MapType(cel.StringType, cel.DynType) }

// attempt is one call to a probe: what the probe needs, and what it has found.
type attempt struct {
	timing

	c    *Checker
	spec job.Spec
	// status and tls are from the last response, for the result.
	status int
	tls    *tls.ConnectionState
	// step is the current step of a dialogue, from 1.
	step int
}

// wantsFacts reports whether anything evaluates the facts. Most checks need
// none.
func (a *attempt) wantsFacts() bool { return len(a.spec.Expect)+len(a.spec.Warn) > 0 }

// probe makes a Probe from the function for a kind.
func (c *Checker) probe(kind probeKind) Probe {
	return func(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
		a := &attempt{c: c, spec: spec}
		facts, err := kind.probe(ctx, a)
		result := job.ProbeResult{Health: job.Up}
		if err != nil {
			result = a.failureResult(ctx, err)
		}
		a.addTo(&result)
		result.Status = a.status
		if a.tls != nil {
			result.CertificateExpires = certificateExpiry(*a.tls)
		}
		if err != nil || !a.wantsFacts() {
			return result, nil
		}
		facts.addCertificate(a.tls, time.Now())
		return result, facts
	}
}
