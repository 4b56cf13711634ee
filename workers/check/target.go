package check

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// ParseTarget parses a target on the command line: a URL with a scheme for a
// probe (http, https, tcp, tls, dns, icmp, grpc, grpcs, ws, wss), a host for
// http, or host:port for tcp.
func ParseTarget(s string) (job.Spec, error) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found && !strings.ContainsAny(s, "/?#") {
		if _, port, err := net.SplitHostPort(s); err == nil && port != "" {
			scheme, rest = job.KindTCP, s
		}
	}
	if spec, ok := schemeSpec(strings.ToLower(scheme), rest, s); ok {
		return spec, targetProblem(s, spec)
	}
	spec := job.Spec{HTTP: &job.HTTP{URL: s}}
	if spec.HasReference() {
		return spec, targetProblem(s, spec)
	}
	if _, err := parseURL(s); err != nil {
		return job.Spec{}, fmt.Errorf("read target: found %q, expected a URL, a host or host:port: %w", spec.Target(), err)
	}
	return spec, nil
}

// schemeSpec returns the spec for a scheme other than http and https.
func schemeSpec(scheme, rest, whole string) (job.Spec, bool) {
	switch scheme {
	case job.KindTCP:
		return job.Spec{TCP: &job.TCP{Address: rest}}, true
	case job.KindTLS:
		return job.Spec{TLS: &job.TLS{Address: rest}}, true
	case job.KindDNS:
		return job.Spec{DNS: &job.DNS{Name: rest}}, true
	case job.KindICMP:
		return job.Spec{ICMP: &job.ICMP{Host: rest}}, true
	case job.KindGRPC:
		return job.Spec{GRPC: &job.GRPC{Address: rest}}, true
	case job.KindGRPC + "s":
		return job.Spec{GRPC: &job.GRPC{Address: rest, TLS: &job.TLSOptions{}}}, true
	case "ws", "wss":
		return job.Spec{WebSocket: &job.WebSocket{URL: whole}}, true
	default:
		return job.Spec{}, false
	}
}

// targetProblem returns an error for an invalid target.
func targetProblem(s string, spec job.Spec) error {
	name, err := spec.Kind()
	if err != nil {
		return fmt.Errorf("read target: %w", err)
	}
	if job.HasReference(s) && !spec.HasReference() {
		return fmt.Errorf("read target: found a secret reference in %q, expected one only in an http or websocket URL", s)
	}
	var p problems
	validateWithPlaceholders(probeKinds()[name], spec, &p)
	if len(p.found) > 0 {
		return fmt.Errorf("read target: found %q: %w", job.Spec{HTTP: &job.HTTP{URL: s}}.Target(), p.found[0])
	}
	return nil
}

// checkAddress validates a host:port.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return job.Problem{Found: fmt.Sprintf("address %q", address), Expected: "host:port"}
	}
	if number, err := strconv.Atoi(port); err != nil || number < 1 || number > 65535 {
		return job.Problem{Found: fmt.Sprintf("port %q", port), Expected: "1 to 65535"}
	}
	return nil
}
