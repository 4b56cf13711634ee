package check

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// ParseTarget reads what a person types: a URL whose scheme is that of a probe
// (http, https, tcp, tls, dns, icmp, grpc, grpcs, ws, wss), a host, which is
// asked by http, or host:port, which is connected to. The error shows what was
// probeReturn and what was expected.
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

// schemeSpec is the spec of a target with a scheme other than those of http.
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

// targetProblem is what is wrong with a target, if anything is.
func targetProblem(s string, spec job.Spec) error {
	name, err := spec.Kind()
	if err != nil {
		return fmt.Errorf("read target: %w", err)
	}
	if job.HasReference(s) && !spec.HasReference() {
		return fmt.Errorf("read target: found a reference to a secret in %q, expected one in a URL of http or websocket alone", s)
	}
	var p problems
	validateWithPlaceholders(probeKinds()[name], spec, &p)
	if len(p.found) > 0 {
		return fmt.Errorf("read target: found %q: %s", job.Spec{HTTP: &job.HTTP{URL: s}}.Target(), p.found[0])
	}
	return nil
}

// checkAddress tells what is wrong with a host:port.
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
