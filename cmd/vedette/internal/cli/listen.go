package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// CheckListen finds out whether an HTTP address is free, before anything is
// started.
func CheckListen(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	return listener.Close()
}

// ErrExposed is returned for a server that other machines could reach in clear
// text.
var ErrExposed = errors.New("other machines can reach it, expected TLS")

// Exposed reports whether other machines can reach an address. A name other than
// localhost counts as exposed, since it can be resolved differently later. An
// invalid address does not: the server reports what is wrong with it.
func Exposed(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.IsLoopback()
}
