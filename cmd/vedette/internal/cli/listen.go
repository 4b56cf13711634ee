package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// CheckListen finds out before anything is started whether an address can be had.
func CheckListen(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for the overview: %w", err)
	}
	return listener.Close()
}

// ErrExposed is a server that other machines could reach in clear text.
var ErrExposed = errors.New("other machines reach it, expected TLS")

// Local tells whether an address is of this machine alone. What a name stands
// for may change, so only one does.
func Local(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// IsLocal tells whether an address is of this machine alone. What is no address
// at all counts as such: the server says better what is wrong with it.
func IsLocal(address string) bool {
	_, _, err := net.SplitHostPort(address)
	return err != nil || Local(address)
}
