package check

import (
	"maps"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// probeKind is a probe: what makes the check, what expectations may speak of, and
// what finds mistakes in its parameters.
type probeKind struct {
	probe    func(*Checker) Probe
	facts    map[string]*cel.Type
	validate func(job.Spec, *problems)
	// strict says that the probe ends with its deadline by itself: all that it
	// waits for are a name and connections that end then. Others run beside the
	// check, which leaves them behind if need be, for a fifth of what a check
	// costs.
	strict bool
}

// probeKinds are the probes. A new one is a file, and a line here.
func probeKinds() map[string]probeKind {
	return map[string]probeKind{
		job.KindHTTP:      {func(c *Checker) Probe { return c.probeHTTP }, httpFacts(), validateHTTP, true},
		job.KindTCP:       {func(c *Checker) Probe { return c.probeTCP }, tcpFacts(), validateTCP, true},
		job.KindTLS:       {func(c *Checker) Probe { return c.probeTLS }, tlsFacts(), validateTLS, true},
		job.KindDNS:       {func(c *Checker) Probe { return c.probeDNS }, dnsFacts(), validateDNS, true},
		job.KindICMP:      {func(c *Checker) Probe { return c.probeICMP }, icmpFacts(), validateICMP, false},
		job.KindGRPC:      {func(c *Checker) Probe { return c.probeGRPC }, grpcFacts(), validateGRPC, false},
		job.KindWebSocket: {func(c *Checker) Probe { return c.probeWebSocket }, webSocketFacts(), validateWebSocket, false},
		job.KindHeartbeat: {func(c *Checker) Probe { return c.probeHeartbeat }, heartbeatFacts(), validateHeartbeat, false},
	}
}

// factTypes are the facts of a kind, those that all have among them.
func factTypes(name string) map[string]*cel.Type {
	facts := map[string]*cel.Type{
		"latency": cel.DurationType,
		"phases":  cel.MapType(cel.StringType, cel.DurationType),
		"ip":      cel.StringType,
	}
	maps.Copy(facts, probeKinds()[name].facts)
	return facts
}

// certificateType is what a certificate's facts are.
func certificateType() *cel.Type { return cel.MapType(cel.StringType, cel.DynType) }
