package check

import (
	"maps"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// probeKind describes a probe: its function, its facts, and the validation of
// its parameters.
type probeKind struct {
	probe    func(*Checker) Probe
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
