package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"vedette/workers/check"
)

// bareClient uses the standard library's client without keep-alives.
func bareClient(url string, config *tls.Config) contestant {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
	return contestant{"net/http", func(ctx context.Context) error { return get(ctx, client, url) }}
}

// bareSocket is the minimum for a check: a deadline, phase times, a request, and
// the status.
func bareSocket(address string, config *tls.Config) contestant {
	request := []byte("GET / HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: vedette\r\nConnection: close\r\n\r\n")
	buffers := sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	return contestant{"own socket", func(ctx context.Context) error {
		var phases [4]time.Time
		phases[0] = time.Now()
		ctx, cancel := context.WithTimeout(ctx, check.DefaultTimeout)
		defer cancel()
		conn, err := dial(ctx, address)
		if err != nil {
			return err
		}
		defer hangUp(conn)
		phases[1] = time.Now()
		if err := conn.SetDeadline(phases[0].Add(check.DefaultTimeout)); err != nil {
			return err
		}
		if config != nil {
			secure := config.Clone()
			secure.ServerName, _, err = net.SplitHostPort(address)
			if err != nil {
				return err
			}
			conn = tls.Client(conn, secure)
		}
		if _, err := conn.Write(request); err != nil {
			return err
		}
		phases[2] = time.Now()
		reader, _ := buffers.Get().(*bufio.Reader)
		defer buffers.Put(reader)
		reader.Reset(conn)
		status, err := reader.ReadSlice('\n')
		if err != nil || !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("read status: found %q, %w", status, err)
		}
		phases[3] = time.Now()
		_, err = io.Copy(io.Discard, reader)
		return err
	}}
}

// bareDial opens a connection and closes it.
func bareDial(address string) contestant {
	return contestant{"bare dial", func(ctx context.Context) error {
		conn, err := dial(ctx, address)
		if err == nil {
			hangUp(conn)
		}
		return err
	}}
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", address)
}

// hangUp closes a connection without leaving its port in TIME_WAIT.
func hangUp(conn net.Conn) {
	if plain, ok := conn.(*net.TCPConn); ok {
		_ = plain.SetLinger(0) // an error means that it is closed already
	}
	_ = conn.Close()
}
