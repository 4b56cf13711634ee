package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// defaultRedirects is how many redirects are followed unless the spec says.
const defaultRedirects = 10

// errRedirects ends a check that was sent around too often.
var errRedirects = errors.New("too many redirects")

// http asks a web server, over a new connection each time: a kept one would
// hide that nobody can connect any more, or that the certificate was changed.
// Up means a status of 2xx from the last response, with its whole body read.
func (c *Checker) http(ctx context.Context, spec job.Spec) (job.Outcome, Facts) {
	var t timing
	exchange, err := c.exchange(ctx, spec, &t)
	var outcome job.Outcome
	switch {
	case errors.Is(err, errRedirects):
		outcome = down(job.ClassProtocol, fmt.Sprintf("more than %d redirects", redirects(spec.HTTP)))
	case err != nil:
		outcome = failure(ctx, err, &t, timeoutOf(spec))
	case len(spec.Expect) > 0, exchange.status/100 == 2:
		outcome = job.Outcome{Health: job.Up}
	default:
		outcome = down(job.ClassStatus, strings.TrimSpace(fmt.Sprintf("status %d %s", exchange.status, http.StatusText(exchange.status))))
	}
	t.write(&outcome)
	if exchange == nil {
		return outcome, nil
	}
	outcome.Status = exchange.status
	if outcome.Health != job.Up {
		return outcome, nil
	}
	return outcome, exchange.facts(time.Now())
}

func timeoutOf(spec job.Spec) time.Duration {
	if spec.Timeout > 0 {
		return spec.Timeout.Std()
	}
	return DefaultTimeout
}

func redirects(h *job.HTTP) int {
	if h.MaxRedirects == nil {
		return defaultRedirects
	}
	return *h.MaxRedirects
}

// exchange is what came back of an http check.
type exchange struct {
	status  int
	version string
	headers http.Header
	body    []byte
	tls     *tls.ConnectionState
}

// exchange makes the request and reads the answer. With an error there may
// still be one: the last redirect, or an answer whose body did not end.
func (c *Checker) exchange(ctx context.Context, spec job.Spec, t *timing) (*exchange, error) {
	request, err := c.request(ctx, spec.HTTP, t)
	if err != nil {
		return nil, err
	}
	transport := c.transport(t)
	defer transport.CloseIdleConnections()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		return followed(len(via), redirects(spec.HTTP))
	}}
	response, err := client.Do(request)
	if response == nil {
		return nil, err
	}
	defer response.Body.Close()
	if err != nil { // a redirect that was not followed; its body is closed
		return &exchange{status: response.StatusCode, headers: response.Header, tls: response.TLS}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, c.config.BodyLimit))
	if err == nil { // else the check stands there, and is told to
		t.done()
	}
	return &exchange{
		status: response.StatusCode, headers: response.Header, body: body, tls: response.TLS,
		version: strings.TrimSuffix(strings.TrimPrefix(response.Proto, "HTTP/"), ".0"),
	}, err
}

// followed decides whether one more redirect is followed. None wanted means
// that the redirect is the answer.
func followed(so, limit int) error {
	switch {
	case limit == 0:
		return http.ErrUseLastResponse
	case so > limit:
		return errRedirects
	default:
		return nil
	}
}

func (c *Checker) request(ctx context.Context, h *job.HTTP, t *timing) (*http.Request, error) {
	target, err := parseURL(h.URL)
	if err != nil {
		return nil, err
	}
	method := h.Method
	if method == "" {
		method = http.MethodGet
	}
	var body io.Reader = http.NoBody
	if h.Body != "" {
		body = strings.NewReader(h.Body)
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart:    func() { t.enter(inTLS) },
		TLSHandshakeDone:     func(_ tls.ConnectionState, err error) { handshakeDone(t, err) },
		GotConn:              func(httptrace.GotConnInfo) { t.enter(inFirstByte) },
		GotFirstResponseByte: func() { t.enter(inTransfer) },
	})
	request, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", c.config.UserAgent)
	for name, value := range h.Headers {
		if strings.EqualFold(name, "host") {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	return request, nil
}

// handshakeDone keeps the phase of a handshake that failed open: it is where
// the check stands.
func handshakeDone(t *timing, err error) {
	if err == nil {
		t.done()
	}
}

// transport makes the connections of one check, each used once.
func (c *Checker) transport(t *timing) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			conn, err := c.dial(ctx, address, t)
			if err != nil {
				return nil, err
			}
			return &brief{Conn: conn}, nil
		},
		TLSClientConfig:    &tls.Config{RootCAs: c.config.RootCAs, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:  true,
		DisableCompression: true,
		ForceAttemptHTTP2:  true,
		// No proxy from the environment: it would be checked in the target's place.
		Proxy: nil,
	}
}

// brief is a connection that is hung up when it is closed.
type brief struct{ net.Conn }

// Close ends the connection without waiting for the peer.
func (b *brief) Close() error {
	hangUp(b.Conn)
	return nil
}

// parseURL reads a URL: http or https in any case; without a scheme it is http.
func parseURL(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	target, err := url.Parse(raw)
	if err != nil {
		// The parser's own words would repeat the URL, and a password in it.
		return nil, fmt.Errorf("read URL: %s", innermost(err))
	}
	target.Scheme = strings.ToLower(target.Scheme)
	if target.Scheme != "http" && target.Scheme != "https" {
		return nil, fmt.Errorf("read URL: found scheme %q, expected http or https", target.Scheme)
	}
	if target.Hostname() == "" {
		return nil, errors.New("read URL: found no host")
	}
	return target, nil
}
