//go:build !linux

package check

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// connect opens a TCP connection before a deadline.
func connect(ctx context.Context, to netip.AddrPort, deadline time.Time) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1, Deadline: deadline}
	return dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, to)
}
