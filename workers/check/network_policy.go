package check

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// NetworkPolicy selects the addresses that may be dialled. The zero value
// denies link-local addresses and the metadata services of clouds, which hold
// machine credentials, and allows all others.
type NetworkPolicy struct {
	rules []rule
}

// rule allows or denies a network.
type rule struct {
	network netip.Prefix
	allowed bool
}

// protectedNetworks returns networks without useful targets, which a client
// that may enqueue checks could use to read the worker's credentials:
// link-local addresses (RFC 3927, RFC 4291), with the metadata services of most
// clouds, and the metadata addresses of other clouds.
func protectedNetworks() []string {
	return []string{
		"169.254.0.0/16", "fe80::/10",
		"100.100.100.200/32", // Alibaba Cloud
		"168.63.129.16/32",   // Azure
		"fd00:ec2::254/128",  // AWS over IPv6
	}
}

// NewNetworkPolicy returns a policy for networks such as 10.0.0.0/8 and single
// addresses. The smallest network with an address decides, and deny wins over
// allow for the same network. To allow only some networks, deny 0.0.0.0/0 and
// ::/0.
func NewNetworkPolicy(allow, deny []string) (NetworkPolicy, error) {
	var p NetworkPolicy
	var problems []error
	for _, list := range []struct {
		networks []string
		allowed  bool
	}{{protectedNetworks(), false}, {allow, true}, {deny, false}} {
		for _, text := range list.networks {
			network, err := parseNetwork(text)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			if list.allowed { // the user may allow protected networks
				p.rules = slices.DeleteFunc(p.rules, func(r rule) bool { return r.network == network })
			}
			p.rules = append(p.rules, rule{network, list.allowed})
		}
	}
	return p, errors.Join(problems...)
}

func parseNetwork(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil || network.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("found network %q, expected one such as 10.0.0.0/8 or fd00::/8", text)
	}
	return network.Masked(), nil
}

// check returns an error for an address that must not be dialled.
func (p NetworkPolicy) check(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	best := rule{allowed: true}
	for _, r := range p.rules {
		switch {
		case !r.network.Contains(ip):
		case !best.network.IsValid(), r.network.Bits() > best.network.Bits(), r.network.Bits() == best.network.Bits() && !r.allowed:
			best = r
		}
	}
	if !best.allowed {
		return &localError{fmt.Errorf("address %s is denied by the network policy on this worker (%s)", ip, best.network)}
	}
	return nil
}
