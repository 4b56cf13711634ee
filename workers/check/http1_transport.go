package check

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"vedette/pipeline/job"
)

// transport makes the connections for one check. Each is used once.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// transport selects the transport. The standard library's costs nearly twice as
// much for a connection that is used once, mostly for goroutines and the
// management of kept connections. So it is used only for HTTP/2 and proxies.
func (a *attempt) transport(h *job.HTTP) transport {
	whole := &stdTransport{attempt: a, h: h}
	if h.Proxy != "" || h.HTTPVersion == "2" {
		return whole
	}
	return &http1Transport{attempt: a, h: h, fallback: whole}
}

// http1Transport speaks HTTP/1.1, with one connection for each request.
type http1Transport struct {
	*attempt

	h        *job.HTTP
	fallback *stdTransport
}

// CloseIdleConnections closes the connections of the fallback.
func (d *http1Transport) CloseIdleConnections() { d.fallback.CloseIdleConnections() }

// RoundTrip sends one request. The connection ends with the response's body.
func (d *http1Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	conn, state, err := d.connect(request)
	if err != nil {
		if d.h.HTTPVersion == "" && wantsOtherProtocol(err) {
			return d.fallback.RoundTrip(request) // nothing has been sent yet
		}
		return nil, err
	}
	response, err := d.exchange(conn, request)
	if err != nil {
		conn.Close()
		return nil, err
	}
	response.TLS = state
	return response, nil
}

// wantsOtherProtocol reports whether a server ended the handshake because it
// requires a protocol other than HTTP/1.1, or a key exchange that was not
// offered.
func wantsOtherProtocol(err error) bool {
	alert, ok := errors.AsType[*net.OpError](err)
	if !ok || alert.Op != "remote error" {
		return false
	}
	// The library does not export the type of alerts.
	return slices.Contains([]string{"tls: handshake failure", "tls: insufficient security level", "tls: no application protocol"}, alert.Err.Error())
}

func (d *http1Transport) connect(request *http.Request) (net.Conn, *tls.ConnectionState, error) {
	ctx, address := request.Context(), hostAndPort(request.URL)
	conn, err := d.dial(ctx, "tcp", address, d.h.Network)
	if err != nil {
		return nil, nil, err
	}
	conn = withContext(ctx, conn)
	if request.URL.Scheme != "https" {
		return conn, nil, nil
	}
	secured, err := d.handshake(ctx, conn, tlsOffer{address, optionsForHost(d.h, request), []string{"http/1.1"}, d.h.HTTPVersion == ""})
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	state := secured.ConnectionState()
	// Closing a TLS connection sends a close alert, which is not needed.
	return &abortingTLSConn{Conn: secured, raw: conn}, &state, nil
}

// abortingTLSConn is a TLS connection that is aborted when it is closed.
type abortingTLSConn struct {
	net.Conn

	raw net.Conn
}

// Close aborts the underlying connection.
func (s *abortingTLSConn) Close() error { return s.raw.Close() }

// optionsForHost returns the TLS options for a request. The spec's server name
// and client certificate are for its own host, not for redirects.
func optionsForHost(h *job.HTTP, request *http.Request) *job.TLSOptions {
	if h.TLS == nil {
		return nil
	}
	options := *h.TLS
	if first, err := parseURL(h.URL); err != nil || first.Hostname() != request.URL.Hostname() {
		options.ServerName, options.CertFile, options.KeyFile = "", "", ""
	}
	return &options
}

func hostAndPort(u *url.URL) string {
	port := "80"
	if u.Scheme == "https" || u.Scheme == "wss" {
		port = "443"
	}
	port = cmp.Or(u.Port(), port)
	return net.JoinHostPort(u.Hostname(), port)
}

const (
	bufferSize = 4 << 10
	// maxHeaderBytes limits a response's header, as in the standard library.
	maxHeaderBytes = 1 << 20
	// maxInformational is the number of informational responses (1xx) that are
	// skipped.
	maxInformational = 5
)

// bufferPool keeps buffers between checks. Allocating them was a quarter of the
// cost of a check.
type bufferPool struct {
	readers, writers sync.Pool
}

func (b *bufferPool) reader(from io.Reader) *bufio.Reader {
	if r, ok := b.readers.Get().(*bufio.Reader); ok {
		r.Reset(from)
		return r
	}
	return bufio.NewReaderSize(from, bufferSize)
}

func (b *bufferPool) writer(to io.Writer) *bufio.Writer {
	if w, ok := b.writers.Get().(*bufio.Writer); ok {
		w.Reset(to)
		return w
	}
	return bufio.NewWriterSize(to, bufferSize)
}

// exchange sends a request and reads the header of the response.
func (d *http1Transport) exchange(conn net.Conn, request *http.Request) (*http.Response, error) {
	d.enter(inProcessing)
	if err := d.send(conn, request); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: conn, N: maxHeaderBytes}
	reader := d.c.buffers.reader(limited)
	response, err := d.receive(reader, request)
	if err != nil && limited.N <= 0 {
		err = fmt.Errorf("response head of more than %d bytes", maxHeaderBytes)
	}
	if err != nil {
		d.c.buffers.readers.Put(reader)
		return nil, err
	}
	limited.N = 1<<63 - 1
	response.Body = &http1Body{ReadCloser: response.Body, conn: conn, reader: reader, buffers: &d.c.buffers}
	return response, nil
}

func (d *http1Transport) send(conn net.Conn, request *http.Request) error {
	if !request.Close { // after a redirect
		once := *request // a transport must not change the request
		once.Close = true
		request = &once
	}
	writer := d.c.buffers.writer(conn)
	defer d.c.buffers.writers.Put(writer)
	if err := request.Write(writer); err != nil {
		return err
	}
	return writer.Flush()
}

func (d *http1Transport) receive(reader *bufio.Reader, request *http.Request) (*http.Response, error) {
	if _, err := reader.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	d.enter(inTransfer)
	for range maxInformational {
		response, err := http.ReadResponse(reader, request)
		if err != nil || response.StatusCode >= http.StatusOK || response.StatusCode == http.StatusSwitchingProtocols {
			return response, err
		}
	}
	return nil, fmt.Errorf("more than %d informational responses", maxInformational)
}

// http1Body is the body of a response. Its end is the end of the connection.
type http1Body struct {
	io.ReadCloser

	conn    net.Conn
	reader  *bufio.Reader
	buffers *bufferPool
	closed  bool
}

// Close aborts the connection.
func (b *http1Body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	err := b.conn.Close() // before the body, whose Close would drain it
	b.reader.Reset(nil)
	b.buffers.readers.Put(b.reader)
	return err
}
