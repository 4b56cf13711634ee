package check

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// ParseTarget reads what a person types: a URL (http, https, tcp), a host, which
// is asked by http, or host:port, which is connected to. The error shows what
// was found and what was expected.
func ParseTarget(s string) (job.Spec, error) {
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case found && strings.EqualFold(scheme, "tcp"):
		return tcpTarget(s, rest)
	case found:
	case strings.ContainsAny(s, "/?#"):
	default:
		if _, port, err := net.SplitHostPort(s); err == nil && port != "" {
			return tcpTarget(s, s)
		}
	}
	if _, err := parseURL(s); err != nil {
		return job.Spec{}, fmt.Errorf("read target: found %q, expected a URL, a host or host:port: %w", masked(s), err)
	}
	return job.Spec{HTTP: &job.HTTP{URL: s}}, nil
}

func tcpTarget(s, address string) (job.Spec, error) {
	if err := checkAddress(address); err != nil {
		return job.Spec{}, fmt.Errorf("read target: found %q: %w", s, err)
	}
	return job.Spec{TCP: &job.TCP{Address: address}}, nil
}

// checkAddress tells what is wrong with a host:port.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return fmt.Errorf("found address %q, expected host:port", address)
	}
	if number, err := strconv.Atoi(port); err != nil || number < 1 || number > 65535 {
		return fmt.Errorf("found port %q, expected 1 to 65535", port)
	}
	return nil
}

// masked hides a password that stands in a URL.
func masked(s string) string {
	target, err := parseURL(s)
	if err != nil || target.User == nil {
		return s
	}
	return target.Redacted()
}
