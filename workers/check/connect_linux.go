package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// connect opens a TCP connection before a deadline. The standard library's
// dialer starts a goroutine and a timer for each attempt, and makes additional
// system calls, which together were a fifth of the cost of a plain check.
func connect(ctx context.Context, to netip.AddrPort, deadline time.Time) (net.Conn, error) {
	domain, address := socketAddress(to)
	fd, err := syscall.Socket(domain, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// The end of a handshake and the request must not wait for each other.
	if err = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		_ = syscall.Close(fd) // not connected yet
		return nil, os.NewSyscallError("setsockopt", err)
	}
	err = syscall.Connect(fd, address)
	if err != nil && !errors.Is(err, syscall.EINPROGRESS) && !errors.Is(err, syscall.EINTR) {
		_ = syscall.Close(fd) // nothing was sent
		return nil, os.NewSyscallError("connect", err)
	}
	// The runtime's poller accepts the socket because it is non-blocking.
	s := &socket{File: os.NewFile(uintptr(fd), "socket"), remote: net.TCPAddrFromAddrPort(to)}
	if err == nil {
		return s, nil
	}
	if err := s.awaitConnected(ctx, address, deadline); err != nil {
		_ = s.Close() // never connected
		return nil, err
	}
	return s, nil
}

func socketAddress(to netip.AddrPort) (int, syscall.Sockaddr) {
	if to.Addr().Is4() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	}
	return syscall.AF_INET6, &syscall.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
}

// socket is a TCP connection as an [os.File].
type socket struct {
	*os.File

	remote *net.TCPAddr
}

// awaitConnected waits until the connection is established. On loopback it
// usually is before the poller reports it, so a second connect call first can
// save a pass through the poller.
func (s *socket) awaitConnected(ctx context.Context, address syscall.Sockaddr, deadline time.Time) error {
	var release func() bool
	defer func() {
		if release != nil {
			release()
			// The deadline was for this attempt only, not for the whole check.
			_ = s.SetDeadline(time.Time{}) // fails only if closed
		}
	}()
	raw, err := s.SyscallConn()
	if err != nil {
		return fmt.Errorf("wait for connection: %w", err)
	}
	var connectErr error
	retried := false
	err = raw.Write(func(fd uintptr) bool {
		connectErr = syscall.Connect(int(fd), address)
		first := !retried
		retried = true
		switch {
		case errors.Is(connectErr, syscall.EISCONN):
			connectErr = nil
			return true
		case errors.Is(connectErr, syscall.EALREADY), errors.Is(connectErr, syscall.EINPROGRESS), errors.Is(connectErr, syscall.EINTR):
			if first { // it takes longer, so it needs a deadline
				_ = s.SetDeadline(deadline) // fails only if closed
				release = context.AfterFunc(ctx, func() { _ = s.SetDeadline(time.Unix(1, 0)) })
			}
			return false
		default:
			return true
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("connect", connectErr)
}

// SetLinger is like the method of [net.TCPConn].
func (s *socket) SetLinger(seconds int) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var optionErr error
	err = raw.Control(func(fd uintptr) {
		optionErr = syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: int32(seconds)}) //nolint:gosec // small
	})
	return errors.Join(err, optionErr)
}

// LocalAddr returns an empty address, since no check needs it.
func (*socket) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr returns the address of the peer.
func (s *socket) RemoteAddr() net.Addr { return s.remote }
