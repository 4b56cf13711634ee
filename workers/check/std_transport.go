package check

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"

	"vedette/pipeline/job"
)

// stdTransport is the standard library's transport, created when needed.
type stdTransport struct {
	*attempt

	h         *job.HTTP
	transport *http.Transport
	// ctx is the check's context. The transport dials with a context without a
	// deadline, which would leave the connection without one too.
	ctx context.Context //nolint:containedctx // lives as long as its check
}

// CloseIdleConnections closes kept connections.
func (s *stdTransport) CloseIdleConnections() {
	if s.transport != nil {
		s.transport.CloseIdleConnections()
	}
}

// RoundTrip sends one request.
func (s *stdTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if s.transport == nil {
		transport, err := s.newTransport()
		if err != nil {
			return nil, err
		}
		s.transport, s.ctx = transport, request.Context()
	}
	return s.transport.RoundTrip(request.WithContext(s.withTrace(request.Context())))
}

func (s *stdTransport) newTransport() (*http.Transport, error) {
	config, err := s.c.tlsConfig("", s.h.TLS)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			conn, err := s.dial(s.ctx, network, address, s.h.Network) //nolint:contextcheck // see ctx
			if err != nil {
				return nil, err
			}
			return withContext(s.ctx, conn), nil //nolint:contextcheck // see ctx
		},
		TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeaderBytes,
		// No proxy from the environment: the check would test it instead of the target.
		Proxy: nil,
	}
	var protocols http.Protocols
	protocols.SetHTTP1(s.h.HTTPVersion != "2")
	protocols.SetHTTP2(s.h.HTTPVersion != "1.1")
	protocols.SetUnencryptedHTTP2(s.h.HTTPVersion == "2")
	transport.Protocols = &protocols
	if s.h.Proxy != "" {
		proxy, err := url.Parse(s.h.Proxy)
		if err != nil {
			return nil, newLocalError("read proxy", errors.New(innermostText(err)))
		}
		transport.Proxy = http.ProxyURL(proxy)
	}
	return transport, nil
}

// withTrace adds a trace that measures the phases.
func (s *stdTransport) withTrace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { s.enter(inTLS) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil { // otherwise the phase stays, for the cause
				s.done()
			}
		},
		GotConn:              func(httptrace.GotConnInfo) { s.enter(inProcessing) },
		GotFirstResponseByte: func() { s.enter(inTransfer) },
	})
}
