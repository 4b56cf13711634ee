package faults

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Connections holds connections to a server, which use up its file descriptors if
// it was started with a low limit, as by "ulimit -n 100".
type Connections struct {
	stop  chan struct{} // ends the holding; nil before Hold
	ended sync.WaitGroup

	mu   sync.Mutex
	held []net.Conn
}

const (
	// holdTimeout bounds the wait for one connection: the kernel accepts connections
	// that the server has no descriptor for, as long as there is room in the queue.
	holdTimeout = time.Second
	// holdPause is between further connections, which replace the ones that the
	// server closes for their silence.
	holdPause = 20 * time.Millisecond
)

// Hold opens n connections to an address, as host:port, or fewer if the server's
// queue is full, and further ones until Release.
func (c *Connections) Hold(address string, n int) error {
	for range n {
		err := c.open(address)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			break
		}
		if err != nil {
			return fmt.Errorf("hold connections: %w", err)
		}
	}
	stop := make(chan struct{})
	c.stop = stop
	c.ended.Go(func() {
		ticker := time.NewTicker(holdPause)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				_ = c.open(address) // fails while the queue is full
			}
		}
	})
	return nil
}

func (c *Connections) open(address string) error {
	conn, err := (&net.Dialer{Timeout: holdTimeout}).Dial("tcp", address)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = append(c.held, conn)
	return nil
}

// Release closes the connections.
func (c *Connections) Release() error {
	if c.stop != nil {
		close(c.stop)
		c.ended.Wait()
		c.stop = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var problems []error
	for _, conn := range c.held {
		problems = append(problems, conn.Close())
	}
	c.held = nil
	return errors.Join(problems...)
}
