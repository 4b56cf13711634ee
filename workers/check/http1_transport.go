package check

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"

	"vedette/pipeline/job"
)

// transport makes the connections of one check, each used once.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// transport chooses how requests travel. The standard library's transport costs
// nearly twice as much for a connection that is used once, most of it for
// goroutines and bookkeeping of connections to be kept; so it is there for what
// needs it: HTTP/2, and proxies.
func (c *Checker) transport(h *job.HTTP, t *timing) transport {
	whole := &stdTransport{c: c, h: h, t: t}
	if h.Proxy != "" || h.HTTPVersion == "2" {
		return whole
	}
	return &http1Transport{c: c, h: h, t: t, fallback: whole}
}

// http1Transport speaks HTTP/1.1 over a connection of its own.
type http1Transport struct {
	c     *Checker
	h     *job.HTTP
	t     *timing
	fallback *stdTransport
}

// CloseIdleConnections closes what the other transport may have kept.
func (d *http1Transport) CloseIdleConnections() { d.fallback.CloseIdleConnections() }

// RoundTrip makes one request. The connection ends with the response's body.
func (d *http1Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	conn, state, err := d.connect(request)
	if err != nil {
		if d.h.HTTPVersion == "" && wantsOtherProtocol(err) {
			return d.fallback.RoundTrip(request) // nothing was sent yet
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

// wantsOtherProtocol tells whether a server ended a handshake because it wants another
// protocol than HTTP/1.1, or a key exchange that we did not offer.
func wantsOtherProtocol(err error) bool {
	alert, ok := errors.AsType[*net.OpError](err)
	if !ok || alert.Op != "remote error" {
		return false
	}
	switch alert.Err.Error() { // the library keeps the type of alerts to itself
	case "tls: handshake failure", "tls: insufficient security level", "tls: no application protocol":
		return true
	default:
		return false
	}
}

func (d *http1Transport) connect(request *http.Request) (net.Conn, *tls.ConnectionState, error) {
	ctx, host := request.Context(), request.URL.Hostname()
	conn, err := d.c.dial(ctx, "tcp", hostAndPort(request.URL), d.h.Network, d.t)
	if err != nil {
		return nil, nil, err
	}
	conn = withContext(ctx, conn)
	if request.URL.Scheme != "https" {
		return conn, nil, nil
	}
	secured, err := d.c.handshake(ctx, conn, host, optionsForHost(d.h, request), handshakeOffer{[]string{"http/1.1"}, d.h.HTTPVersion == ""}, d.t)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	state := secured.ConnectionState()
	// A TLS connection says goodbye when it is closed, for which nobody waits.
	return &abortingTLSConn{Conn: secured, raw: conn}, &state, nil
}

// abortingTLSConn is a TLS connection that is hung up.
type abortingTLSConn struct {
	net.Conn

	raw net.Conn
}

// Close ends the connection below.
func (s *abortingTLSConn) Close() error { return s.raw.Close() }

// optionsForHost are the TLS options for a request: the server name and the client
// certificate of the spec are for its own host, not for one that it redirects
// to.
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
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https" || u.Scheme == "wss":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

const (
	bufferSize = 4 << 10
	// maxHeaderBytes bounds a response's head, as the standard library's transport does.
	maxHeaderBytes = 1 << 20
	// maxInformational is how many informational responses (1xx) are passed over.
	maxInformational = 5
)

// bufferPool are kept from check to check: making them anew was a quarter of what
// a check cost.
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

// exchange sends a request and reads the head of the response.
func (d *http1Transport) exchange(conn net.Conn, request *http.Request) (*http.Response, error) {
	d.t.enter(inProcessing)
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
	if !request.Close { // one that a redirect led to
		once := *request // a transport leaves the request as it is
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
	d.t.enter(inTransfer)
	for range maxInformational {
		response, err := http.ReadResponse(reader, request)
		if err != nil || response.StatusCode >= http.StatusOK || response.StatusCode == http.StatusSwitchingProtocols {
			return response, err
		}
	}
	return nil, fmt.Errorf("more than %d informational responses", maxInformational)
}

// http1Body is the body of a response; its end is the connection's.
type http1Body struct {
	io.ReadCloser

	conn    net.Conn
	reader  *bufio.Reader
	buffers *bufferPool
	closed  bool
}

// Close hangs up.
func (b *http1Body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	err := b.conn.Close() // first, since closing the body would drain it
	b.reader.Reset(nil)
	b.buffers.readers.Put(b.reader)
	return err
}

// stdTransport is the standard library's transport, made when it is needed.
type stdTransport struct {
	c    *Checker
	h    *job.HTTP
	t    *timing
	transport *http.Transport
	// ctx is the check's. The transport dials by one of its own, which has no
	// deadline, and would leave a connection without one too.
	ctx context.Context //nolint:containedctx // a transport lives as long as its check
}

// CloseIdleConnections closes what was kept.
func (w *stdTransport) CloseIdleConnections() {
	if w.transport != nil {
		w.transport.CloseIdleConnections()
	}
}

// RoundTrip makes one request.
func (w *stdTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if w.transport == nil {
		made, err := w.newTransport()
		if err != nil {
			return nil, err
		}
		w.transport, w.ctx = made, request.Context()
	}
	return w.transport.RoundTrip(request.WithContext(w.withTrace(request.Context())))
}

func (w *stdTransport) newTransport() (*http.Transport, error) {
	config, err := w.c.tlsConfig("", w.h.TLS)
	if err != nil {
		return nil, err
	}
	made := &http.Transport{
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			conn, err := w.c.dial(w.ctx, network, address, w.h.Network, w.t) //nolint:contextcheck // see ctx
			if err != nil {
				return nil, err
			}
			return withContext(w.ctx, conn), nil //nolint:contextcheck // see ctx
		},
		TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeaderBytes,
		// No proxy from the environment: it would be checked in the target's place.
		Proxy: nil,
	}
	var protocols http.Protocols
	protocols.SetHTTP1(w.h.HTTPVersion != "2")
	protocols.SetHTTP2(w.h.HTTPVersion != "1.1")
	protocols.SetUnencryptedHTTP2(w.h.HTTPVersion == "2")
	made.Protocols = &protocols
	if w.h.Proxy != "" {
		proxy, err := url.Parse(w.h.Proxy)
		if err != nil {
			return nil, newLocalError("read proxy", errors.New(innermostText(err)))
		}
		made.Proxy = http.ProxyURL(proxy)
	}
	return made, nil
}

// withTrace has the transport tell the phases.
func (w *stdTransport) withTrace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { w.t.enter(inTLS) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil { // else the check stands there
				w.t.done()
			}
		},
		GotConn:              func(httptrace.GotConnInfo) { w.t.enter(inProcessing) },
		GotFirstResponseByte: func() { w.t.enter(inTransfer) },
	})
}
