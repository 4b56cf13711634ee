package check

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// NetworkPolicy says which addresses may be dialled. Its zero value denies the
// link-local ones, among them those where clouds keep the secrets of their
// machines, and allows all others.
type NetworkPolicy struct {
	rules []rule
}

// rule is a network, and whether it may be dialled.
type rule struct {
	network netip.Prefix
	allowed bool
}

// errDenied is the cause of a check that the policy does not allow.
var errDenied = errors.New("the network policy of this worker denies it")

// protectedNetworks are networks that nobody means to check, and that whoever can order
// checks could use to get at the worker's secrets: link-local addresses (RFC
// 3927, RFC 4291), where most clouds have their metadata, and the addresses of
// the others.
func protectedNetworks() []string {
	return []string{
		"169.254.0.0/16", "fe80::/10",
		"100.100.100.200/32", // Alibaba Cloud
		"168.63.129.16/32",   // Azure
		"fd00:ec2::254/128",  // AWS, by IPv6
	}
}

// NewNetworkPolicy makes a policy from networks such as 10.0.0.0/8; a single address
// is a network too. The smallest network that holds an address decides about
// it, and if that is both allowed and denied, it is denied. To allow nothing but
// some networks, deny 0.0.0.0/0 and ::/0.
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
			if list.allowed { // what the user allows counts more than what we guard
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

// check returns an error for an address that may not be dialled.
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
		return fmt.Errorf("address %s is not to be checked, %w: %s is denied", ip, errDenied, best.network)
	}
	return nil
}
