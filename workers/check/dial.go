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

// dial opens a new connection to host:port. It looks up the name and then tries
// the addresses in order, so that each phase is measured separately. An address
// that does not answer leaves a share of the time for the next ones.
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
	var firstErr error
	for i, ip := range addresses {
		t.enter(inConnect)
		target := net.JoinHostPort(ip.String(), service)
		t.dialled(target)
		conn, err := c.dialAddress(ctx, network, ip, uint16(port), len(addresses)-i)
		if err == nil {
			t.done()
			return conn, nil
		}
		if firstErr == nil {
			firstErr = err // from the preferred address
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, firstErr
}

// dialAddress dials one address; left is the number of addresses that share the
// remaining time.
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

// lookup returns the addresses of a host in the wanted family.
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

// resolver returns the spec's resolver, or the system's.
func (c *Checker) resolver(n job.Network) *net.Resolver {
	if n.Resolver == "" {
		return c.config.Resolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, n.Resolver)
	}}
}

// checkResolver applies the network policy to the spec's resolver, which must
// be an address.
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

// noAddressError reports a name without an address in the wanted family.
type noAddressError struct{ text string }

// Error returns the text.
func (e *noAddressError) Error() string { return e.text }

// abort closes a connection with a reset. A normal close leaves the socket in
// TIME_WAIT, which occupies its local port for a minute, and only 28,000 ports
// are available for one destination.
func abort(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0) // fails only if closed
	}
	_ = conn.Close()
}

// withContext returns a connection that ends with ctx, and is aborted when it
// is closed, so that nothing waits for a peer longer than its check.
func withContext(ctx context.Context, conn net.Conn) net.Conn {
	b := &abortingConn{Conn: conn}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // fails only if closed, as the next call will
	}
	b.release = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return b
}

type abortingConn struct {
	net.Conn

	release func() bool
}

// Close aborts the connection.
func (b *abortingConn) Close() error {
	b.release()
	abort(b.Conn)
	return nil
}

// validateNetwork validates the network options in a probe.
func validateNetwork(n job.Network, p *problems) {
	if n.IPFamily != "" && n.IPFamily != "4" && n.IPFamily != "6" {
		p.add("ip_family", fmt.Sprintf("ip_family %q", n.IPFamily), "4 or 6")
	}
	if _, err := netip.ParseAddrPort(n.Resolver); err != nil && n.Resolver != "" {
		p.add("resolver", fmt.Sprintf("resolver %q", n.Resolver), "an address and a port such as 192.0.2.53:53")
	}
}
