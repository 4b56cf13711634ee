package faultsoak

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"vedette/cmd/vedette/internal/harness"
)

// service is something on loopback that can be away: then nothing listens at its
// address.
type service struct {
	address string
	serve   func(net.Conn)

	mu       sync.Mutex
	listener net.Listener // nil while it is away
	conns    map[net.Conn]bool
	group    sync.WaitGroup
}

// newService starts a service that handles each connection by serve.
func newService(serve func(net.Conn)) (*service, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &service{address: address, serve: serve, conns: map[net.Conn]bool{}}
	if err := s.comeBack(); err != nil {
		return nil, err
	}
	return s, nil
}

// goAway closes the listener and all connections.
func (s *service) goAway() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	err := s.listener.Close()
	s.listener = nil
	for conn := range s.conns {
		_ = conn.Close() // the other side may have closed it
	}
	return err
}

// comeBack listens again, at the same address.
func (s *service) comeBack() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", s.address) //nolint:noctx // loopback
	if err != nil {
		return fmt.Errorf("listen again: %w", err)
	}
	s.listener = listener
	s.group.Go(func() { harness.Accept(listener, s.handle) })
	return nil
}

func (s *service) handle(conn net.Conn) {
	s.mu.Lock()
	if s.listener == nil {
		s.mu.Unlock()
		return
	}
	s.conns[conn] = true
	s.mu.Unlock()
	s.serve(conn)
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
}

// stop stops the service for good.
func (s *service) stop() error {
	err := s.goAway()
	s.group.Wait()
	return err
}

// freeAddress returns an address that stays free while nothing listens there: its
// port is below the range for outgoing connections.
func freeAddress() (string, error) {
	const tries, lowest, ports = 1000, 12_000, 18_000
	for range tries {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+rand.IntN(ports)))
		listener, err := net.Listen("tcp", address) //nolint:noctx // loopback
		if err == nil {
			return address, listener.Close()
		}
	}
	return "", errors.New("find free port: found none")
}

// forward returns a handler that connects a client to an address.
func forward(to string) func(net.Conn) {
	return func(client net.Conn) {
		server, err := net.DialTimeout("tcp", to, time.Second) //nolint:noctx // loopback
		if err != nil {
			return // the client sees a closed connection
		}
		defer server.Close()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			copyAll(server, client)
		}()
		copyAll(client, server)
		<-ended
	}
}

// copyAll copies until one side ends, and then closes both.
func copyAll(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
