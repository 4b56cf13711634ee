package faults

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Connections holds connections to a server, which use up its file descriptors if
// it was started with a low limit, as by "ulimit -n 100".
type Connections struct {
	held []net.Conn
}

// holdTimeout bounds the wait for one connection. The kernel accepts connections
// that the server has no descriptor for, so that it ends for lack of room in the
// queue only.
const holdTimeout = time.Second

// Hold opens connections to an address, as host:port, until there are n or one is
// not accepted.
func (c *Connections) Hold(address string, n int) error {
	for range n {
		conn, err := net.DialTimeout("tcp", address, holdTimeout)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && len(c.held) > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("hold connections: %w", err)
		}
		c.held = append(c.held, conn)
	}
	return nil
}

// Release closes the connections.
func (c *Connections) Release() error {
	var problems []error
	for _, conn := range c.held {
		problems = append(problems, conn.Close())
	}
	c.held = nil
	return errors.Join(problems...)
}
