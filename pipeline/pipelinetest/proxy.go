package pipelinetest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy forwards TCP connections to a server. While Deaf, it drops the server's
// bytes; while Cut, those of both sides, silently.
type Proxy struct {
	Address   string
	Deaf, Cut atomic.Bool
}

// NewProxy starts a proxy to an address, which ends with the test.
func NewProxy(tb testing.TB, to string) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Address: listener.Addr().String()}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.DialTimeout("tcp", to, Patience) //nolint:noctx // loopback
			if err != nil {
				_ = client.Close()
				return
			}
			group.Go(func() { defer server.Close(); forward(server, client, p.Cut.Load) })
			group.Go(func() {
				defer client.Close()
				forward(client, server, func() bool { return p.Cut.Load() || p.Deaf.Load() })
			})
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	return p
}

// forward copies what one side sends, except while it is lost. Both sides write
// whole messages, so whole messages get lost.
func forward(to, from net.Conn, lost func() bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if lost() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
