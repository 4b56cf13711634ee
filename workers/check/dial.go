package check

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"vedette/pipeline/job"
)

// dial opens a new connection to host:port. It looks up the name and then tries
// the addresses in order, so that each phase is measured separately. An address
// that does not answer leaves a share of the time for the next ones.
func (a *attempt) dial(ctx context.Context, network, address string, n job.Network) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("found port %q, expected 1 to 65535", service)
	}
	addresses, err := a.lookup(ctx, host, n)
	if err != nil {
		return nil, err
	}
	var firstErr error
	for i, ip := range addresses {
		a.enter(inConnect)
		a.dialled(net.JoinHostPort(ip.String(), service))
		conn, err := a.c.dialAddress(ctx, network, netip.AddrPortFrom(ip, uint16(port)), len(addresses)-i)
		if err == nil {
			a.done()
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
func (c *Checker) dialAddress(ctx context.Context, network string, to netip.AddrPort, left int) (net.Conn, error) {
	if err := c.config.NetworkPolicy.check(to.Addr()); err != nil {
		return nil, err
	}
	deadline, bounded := ctx.Deadline()
	if bounded && left > 1 {
		deadline = time.Now().Add(time.Until(deadline) / time.Duration(left))
	}
	if network == protocolTCP && to.Addr().Zone() == "" {
		return connect(ctx, to, deadline)
	}
	dialer := net.Dialer{Deadline: deadline}
	return dialer.DialContext(ctx, network, to.String())
}

// lookup returns the addresses of a host in the wanted family.
func (a *attempt) lookup(ctx context.Context, host string, n job.Network) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ofFamily([]netip.Addr{ip}, host, n.IPFamily)
	}
	resolver, err := a.c.resolver(n)
	if err != nil {
		return nil, err
	}
	a.enter(inDNS)
	addresses, err := resolver.LookupNetIP(ctx, "ip"+n.IPFamily, host)
	if err != nil {
		return nil, err
	}
	a.done()
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
	switch {
	case len(found) > 0:
		return found, nil
	case family != "":
		return nil, failed(job.ClassDNS, "%s has no address of family IPv%s", host, family)
	default:
		return nil, failed(job.ClassDNS, "%s has no address", host)
	}
}

// resolver returns the spec's resolver, which must be an address, or the
// system's.
func (c *Checker) resolver(n job.Network) (*net.Resolver, error) {
	if n.Resolver == "" {
		return c.config.Resolver, nil
	}
	at, err := netip.ParseAddrPort(n.Resolver)
	if err != nil {
		return nil, newLocalError("read resolver", err)
	}
	if err := c.config.NetworkPolicy.check(at.Addr()); err != nil {
		return nil, err
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, n.Resolver)
	}}, nil
}

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
	p.require(slices.Contains([]string{"", "4", "6"}, n.IPFamily), "ip_family", n.IPFamily, "4 or 6")
	_, err := netip.ParseAddrPort(n.Resolver)
	p.require(err == nil || n.Resolver == "", "resolver", n.Resolver, "an address and a port such as 192.0.2.53:53")
}
