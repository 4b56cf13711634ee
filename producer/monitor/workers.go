package monitor

import (
	"net/netip"
)

// Workers is the section workers: how many jobs a process runs at once, and which
// targets it may check. Zero means that the file does not set the limit.
type Workers struct {
	Checks, Adhoc, Calls, Evaluations, Mails int
	// ChecksPerHost limits concurrent checks for one host.
	ChecksPerHost int
	// AllowNetworks and DenyNetworks are the networks and addresses that may be
	// checked, and that may not.
	AllowNetworks, DenyNetworks []string
	// ReferenceTargets are up whenever the worker's network is.
	ReferenceTargets []string
}

// maxWorkers limits concurrent jobs in a process.
const maxWorkers = 1 << 16

func (r processReader) readWorkers(root mapping) Workers {
	var workers Workers
	v, ok := section(root, "workers")
	if !ok {
		return workers
	}
	m, ok := r.mapping(v, "fields such as checks", r.keys["workers"]...)
	if !ok {
		return workers
	}
	for _, field := range []struct {
		key   string
		limit *int
	}{
		{"checks", &workers.Checks},
		{"adhoc", &workers.Adhoc},
		{"calls", &workers.Calls},
		{"evaluations", &workers.Evaluations},
		{"mails", &workers.Mails},
		{"checks_per_host", &workers.ChecksPerHost},
	} {
		if v, ok := m.get(field.key); ok {
			*field.limit, _ = r.integer(v, 1, maxWorkers)
		}
	}
	workers.AllowNetworks = r.networks(m, "allow_networks")
	workers.DenyNetworks = r.networks(m, "deny_networks")
	workers.ReferenceTargets = r.referenceTargets(m)
	return workers
}

// referenceTargets reads targets that are up whenever the worker's network is.
func (r processReader) referenceTargets(m mapping) []string {
	const expected = "a target such as https://example.org or tcp://192.0.2.1:443"
	v, ok := m.get("reference_targets")
	if !ok {
		return nil
	}
	items, ok := r.list(v, expected+", or a list of them", true)
	if !ok {
		return nil
	}
	var targets []string
	for _, item := range items {
		text, ok := r.nonEmpty(item, expected)
		if !ok {
			continue
		}
		if r.options.CheckTarget != nil && r.options.CheckTarget(text) != nil {
			r.reject(item, expected)
			continue
		}
		targets = append(targets, text)
	}
	return targets
}

// networks reads networks and addresses.
func (r processReader) networks(m mapping, key string) []string {
	const expected = "a network such as 10.0.0.0/8, or an address"
	v, ok := m.get(key)
	if !ok {
		return nil
	}
	items, ok := r.list(v, expected+", or a list of them", true)
	if !ok {
		return nil
	}
	var networks []string
	for _, item := range items {
		text, ok := r.nonEmpty(item, expected)
		if !ok {
			continue
		}
		_, notAddress := netip.ParseAddr(text)
		if _, notNetwork := netip.ParsePrefix(text); notAddress != nil && notNetwork != nil {
			r.reject(item, expected)
			continue
		}
		networks = append(networks, text)
	}
	return networks
}
