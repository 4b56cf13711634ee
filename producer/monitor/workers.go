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
	m, ok := r.sectionMapping(root, "workers", "fields such as checks")
	if !ok {
		return workers
	}
	for key, limit := range map[string]*int{
		"checks": &workers.Checks, "adhoc": &workers.Adhoc, "calls": &workers.Calls,
		"evaluations": &workers.Evaluations, "mails": &workers.Mails, "checks_per_host": &workers.ChecksPerHost,
	} {
		r.setInteger(m, key, maxWorkers, limit)
	}
	workers.AllowNetworks = r.networks(m, "allow_networks")
	workers.DenyNetworks = r.networks(m, "deny_networks")
	workers.ReferenceTargets = r.referenceTargets(m)
	return workers
}

// referenceTargets reads targets that are up whenever the worker's network is.
func (r processReader) referenceTargets(m mapping) []string {
	return r.texts(m, "reference_targets", "a target such as https://example.org or tcp://192.0.2.1:443", func(target string) bool {
		return r.options.CheckTarget == nil || r.options.CheckTarget(target) == nil
	})
}

// networks reads networks and addresses.
func (r processReader) networks(m mapping, key string) []string {
	return r.texts(m, key, "a network such as 10.0.0.0/8, or an address", func(text string) bool {
		_, notAddress := netip.ParseAddr(text)
		_, notNetwork := netip.ParsePrefix(text)
		return notAddress == nil || notNetwork == nil
	})
}
