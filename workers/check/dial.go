package check

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"vedette/pipeline/job"
)

// dial opens a new connection to host:port: it looks the name up, then tries
// the addresses one after the other, so that each phase is measured for itself.
// An address that does not answer leaves the next ones their share of the time.
func (c *Checker) dial(ctx context.Context, network, address string, n job.Network, t *timing) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("found port %q, expected 1 to 65535", service)
	}
	addresses, err := c.lookup(ctx, host, n, t)
	if err != nil {
		return nil, err
	}
	var first error
	for i, ip := range addresses {
		t.enter(inConnect)
		target := net.JoinHostPort(ip.String(), service)
		t.dialled(target)
		conn, err := c.dialAddress(ctx, network, ip, uint16(port), len(addresses)-i)
		if err == nil {
			t.done()
			return conn, nil
		}
		if first == nil {
			first = err // the preferred address; the next ones are a fallback
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// dialAddress dials one address; left is how many have to share the time.
func (c *Checker) dialAddress(ctx context.Context, network string, ip netip.Addr, port uint16, left int) (net.Conn, error) {
	if err := c.config.NetworkPolicy.check(ip); err != nil {
		return nil, err
	}
	deadline, bounded := ctx.Deadline()
	if bounded && left > 1 {
		deadline = time.Now().Add(time.Until(deadline) / time.Duration(left))
	}
	if network == protocolTCP && ip.Zone() == "" {
		return connect(ctx, ip, port, deadline)
	}
	dialer := net.Dialer{Deadline: deadline}
	return dialer.DialContext(ctx, network, net.JoinHostPort(ip.String(), strconv.Itoa(int(port))))
}

// lookup returns the addresses of a host, those of the wanted family.
func (c *Checker) lookup(ctx context.Context, host string, n job.Network, t *timing) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ofFamily([]netip.Addr{ip}, host, n.IPFamily)
	}
	if err := c.checkResolver(n); err != nil {
		return nil, err
	}
	t.enter(inDNS)
	addresses, err := c.resolver(n).LookupNetIP(ctx, "ip"+n.IPFamily, host)
	if err != nil {
		return nil, err
	}
	t.done()
	return ofFamily(addresses, host, n.IPFamily)
}

func ofFamily(addresses []netip.Addr, host, family string) ([]netip.Addr, error) {
	var found []netip.Addr
	for _, ip := range addresses {
		ip = ip.Unmap()
		if family == "" || ip.Is4() == (family == "4") {
			found = append(found, ip)
		}
	}
	if len(found) == 0 && family != "" {
		return nil, &noAddressError{host + " has no address of family IPv" + family}
	}
	if len(found) == 0 {
		return nil, &noAddressError{host + " has no address"}
	}
	return found, nil
}

// resolver is what looks names up: the system's, unless the spec has its own.
func (c *Checker) resolver(n job.Network) *net.Resolver {
	if n.Resolver == "" {
		return c.config.Resolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, n.Resolver)
	}}
}

// checkResolver holds a spec's own resolver to the policy. It is an address, so
// that no name leads anywhere else.
func (c *Checker) checkResolver(n job.Network) error {
	if n.Resolver == "" {
		return nil
	}
	at, err := netip.ParseAddrPort(n.Resolver)
	if err != nil {
		return newLocalError("read resolver", err)
	}
	return c.config.NetworkPolicy.check(at.Addr())
}

// noAddressError is that of a name that was found, without what was wanted.
type noAddressError struct{ text string }

// Error says what is missing.
func (e *noAddressError) Error() string { return e.text }

// abort closes a connection whose check is over, at once: a socket that waits
// in TIME_WAIT holds its local port for a minute, and at 28,000 of them for one
// destination there would be none left.
func abort(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0) // an error means that it is closed already
	}
	_ = conn.Close()
}

// withContext is a connection that is hung up when it is closed, and at the latest
// when ctx ends: nothing waits for a peer longer than its check.
func withContext(ctx context.Context, conn net.Conn) net.Conn {
	b := &abortingConn{Conn: conn}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // an error means that it is closed, which the next call tells
	}
	b.release = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return b
}

type abortingConn struct {
	net.Conn

	release func() bool
}

// Close ends the connection without waiting for the peer.
func (b *abortingConn) Close() error {
	b.release()
	abort(b.Conn)
	return nil
}

// validateNetwork finds mistakes in how a probe gets to its target.
func validateNetwork(n job.Network, p *problems) {
	if n.IPFamily != "" && n.IPFamily != "4" && n.IPFamily != "6" {
		p.add("ip_family", fmt.Sprintf("ip_family %q", n.IPFamily), "4 or 6")
	}
	if _, err := netip.ParseAddrPort(n.Resolver); err != nil && n.Resolver != "" {
		p.add("resolver", fmt.Sprintf("resolver %q", n.Resolver), "an address and a port such as 192.0.2.53:53")
	}
}
