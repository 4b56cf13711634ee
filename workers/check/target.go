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
	if spec, ok := map[string]job.Spec{
		job.KindTCP:        {TCP: &job.TCP{Address: rest}},
		job.KindTLS:        {TLS: &job.TLS{Address: rest}},
		job.KindDNS:        {DNS: &job.DNS{Name: rest}},
		job.KindICMP:       {ICMP: &job.ICMP{Host: rest}},
		job.KindGRPC:       {GRPC: &job.GRPC{Address: rest}},
		job.KindGRPC + "s": {GRPC: &job.GRPC{Address: rest, TLS: &job.TLSOptions{}}},
		"ws":               {WebSocket: &job.WebSocket{URL: s}},
		"wss":              {WebSocket: &job.WebSocket{URL: s}},
	}[strings.ToLower(scheme)]; ok {
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
