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

// connect opens a TCP connection until a deadline. The standard library's
// dialler has a goroutine and a timer watch over each attempt, and asks the
// socket more than a check wants to know: together a fifth of what a plain check
// cost.
func connect(ctx context.Context, ip netip.Addr, port uint16, deadline time.Time) (net.Conn, error) {
	domain, address := socketAddress(ip, port)
	fd, err := syscall.Socket(domain, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// A handshake's last words and the request must not wait for each other.
	if err = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		_ = syscall.Close(fd) // it is not connected yet
		return nil, os.NewSyscallError("setsockopt", err)
	}
	err = syscall.Connect(fd, address)
	if err != nil && !errors.Is(err, syscall.EINPROGRESS) && !errors.Is(err, syscall.EINTR) {
		_ = syscall.Close(fd) // nothing was sent
		return nil, os.NewSyscallError("connect", err)
	}
	// The runtime's poller takes the socket, since it does not block.
	s := &socket{File: os.NewFile(uintptr(fd), "socket"), remote: net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, port))}
	if err == nil {
		return s, nil
	}
	if err := s.awaitConnected(ctx, address, deadline); err != nil {
		_ = s.Close() // it did not come to anything
		return nil, err
	}
	return s, nil
}

func socketAddress(ip netip.Addr, port uint16) (int, syscall.Sockaddr) {
	if ip.Is4() {
		return syscall.AF_INET, &syscall.SockaddrInet4{Addr: ip.As4(), Port: int(port)}
	}
	return syscall.AF_INET6, &syscall.SockaddrInet6{Addr: ip.As16(), Port: int(port)}
}

// socket is a TCP connection that the runtime knows as a file.
type socket struct {
	*os.File

	remote *net.TCPAddr
}

// awaitConnected waits until the connection is there. On loopback it mostly is
// before the poller could say so; asking first spares a trip through it.
func (s *socket) awaitConnected(ctx context.Context, address syscall.Sockaddr, deadline time.Time) error {
	var release func() bool
	defer func() {
		if release != nil {
			release()
			// The deadline was this attempt's, which may be a part of the check's.
			_ = s.SetDeadline(time.Time{}) // an error means that it is closed
		}
	}()
	raw, err := s.SyscallConn()
	if err != nil {
		return fmt.Errorf("wait for connection: %w", err)
	}
	var refused error
	asked := false
	err = raw.Write(func(fd uintptr) bool {
		refused = syscall.Connect(int(fd), address)
		first := !asked
		asked = true
		switch {
		case errors.Is(refused, syscall.EISCONN):
			refused = nil
			return true
		case errors.Is(refused, syscall.EALREADY), errors.Is(refused, syscall.EINPROGRESS), errors.Is(refused, syscall.EINTR):
			if first { // it takes longer, and has to end some time
				_ = s.SetDeadline(deadline) // an error means that it is closed
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
	return os.NewSyscallError("connect", refused)
}

// SetLinger says what becomes of unsent data on Close, as that of [net.TCPConn].
func (s *socket) SetLinger(seconds int) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		refused = syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: int32(seconds)}) //nolint:gosec // a few
	})
	return errors.Join(err, refused)
}

// LocalAddr is not known: nobody asks for it.
func (*socket) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is the peer.
func (s *socket) RemoteAddr() net.Addr { return s.remote }
