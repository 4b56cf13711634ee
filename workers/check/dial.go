package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// dial opens a new connection to host:port: it looks the name up, then tries
// the addresses one after the other, so that each phase is measured for itself.
func (c *Checker) dial(ctx context.Context, address string, t *timing) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := c.lookup(ctx, host, t)
	if err != nil {
		return nil, err
	}
	var first error
	for _, ip := range addresses {
		t.enter(inConnect)
		target := net.JoinHostPort(ip.String(), port)
		t.dialled(target)
		conn, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", target)
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

func (c *Checker) lookup(ctx context.Context, host string, t *timing) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	t.enter(inDNS)
	addresses, err := c.config.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	t.done()
	if len(addresses) == 0 {
		return nil, fmt.Errorf("look up %s: %w", host, errNoAddress)
	}
	for i := range addresses {
		addresses[i] = addresses[i].Unmap()
	}
	return addresses, nil
}

var errNoAddress = errors.New("the name has no address")

// hangUp closes a connection whose check is over, at once: a socket that waits
// in TIME_WAIT holds its local port for a minute, and at 28,000 of them for one
// destination there would be none left.
func hangUp(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // an error means that it is closed already
	}
	_ = conn.Close()
}
