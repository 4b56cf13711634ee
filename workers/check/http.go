package check

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// defaultRedirects is the number of redirects to follow by default.
const defaultRedirects = 10

// Errors for responses other than the requested one.
var (
	errRedirects = errors.New("too many redirects")
	errVersion   = errors.New("other HTTP version")
)

// probeHTTP sends a request over a new connection. A kept connection would hide
// that new ones fail, or that the certificate has changed. Up means that the
// last response has a 2xx status, and its body was read.
func (c *Checker) probeHTTP(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	var t timing
	exchange, err := c.exchangeHTTP(ctx, spec, &t)
	result := httpResult(ctx, spec, exchange, err, &t)
	t.addTo(&result)
	if exchange == nil {
		return result, nil
	}
	result.Status = exchange.status
	if exchange.tls != nil {
		result.CertificateExpires = certificateExpiry(*exchange.tls)
	}
	if result.Health != job.Up || len(spec.Expect)+len(spec.Warn) == 0 {
		return result, nil // most checks need no facts
	}
	return result, exchange.facts(time.Now())
}

func httpResult(ctx context.Context, spec job.Spec, x *httpExchange, err error, t *timing) job.ProbeResult {
	switch {
	case errors.Is(err, errRedirects):
		return downResult(job.ClassProtocol, fmt.Sprintf("more than %d redirects", redirects(spec.HTTP)))
	case errors.Is(err, errVersion):
		return downResult(job.ClassProtocol, textAfter(err, errVersion))
	case err != nil:
		return failureResult(ctx, err, t, timeoutOf(spec))
	case spec.HTTP.RequireTLS && x.tls == nil:
		return downResult(job.ClassTLS, "the last server answered without TLS")
	case len(spec.Expect) > 0, x.status/100 == 2:
		return job.ProbeResult{Health: job.Up}
	default:
		return downResult(job.ClassStatus, strings.TrimSpace(fmt.Sprintf("status %d %s", x.status, http.StatusText(x.status))))
	}
}

// textAfter returns the text after a wrapped sentinel, without outer errors.
func textAfter(err, kind error) string {
	text := err.Error()
	if i := strings.LastIndex(text, kind.Error()+": "); i >= 0 {
		return text[i+len(kind.Error())+2:]
	}
	return text
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

// httpExchange is the response in an HTTP check.
type httpExchange struct {
	status  int
	version string
	headers http.Header
	body    []byte
	tls     *tls.ConnectionState
}

// exchangeHTTP sends the request and reads the response. An error may come with
// a response: the last redirect, or one with an incomplete body.
func (c *Checker) exchangeHTTP(ctx context.Context, spec job.Spec, t *timing) (*httpExchange, error) {
	h := spec.HTTP
	request, err := c.httpRequest(ctx, h)
	if err != nil {
		return nil, err
	}
	transport := c.transport(h, t)
	defer transport.CloseIdleConnections()
	response, err := roundTrip(transport, request, redirects(h))
	if response == nil {
		return nil, err
	}
	defer response.Body.Close()
	x := &httpExchange{
		status: response.StatusCode, headers: response.Header, tls: response.TLS,
		version: strings.TrimSuffix(strings.TrimPrefix(response.Proto, "HTTP/"), ".0"),
	}
	if err != nil { // a redirect that was not followed
		return x, err
	}
	if h.HTTPVersion == "2" && response.ProtoMajor != 2 {
		return x, fmt.Errorf("%w: the server speaks HTTP/%s, not 2", errVersion, x.version)
	}
	x.body, err = c.readBody(h, response, len(spec.Expect)+len(spec.Warn) > 0)
	if err == nil { // otherwise the phase stays, for the cause
		t.done()
	}
	return x, err
}

// roundTrip sends a request and follows redirects. Most responses are no
// redirects, and do not need the standard library's client.
func roundTrip(transport http.RoundTripper, request *http.Request, limit int) (*http.Response, error) {
	response, err := transport.RoundTrip(request)
	if err != nil || limit == 0 || response.StatusCode/100 != 3 || response.Header.Get("Location") == "" {
		return response, err
	}
	client := &http.Client{
		Transport: &resumedTransport{RoundTripper: transport, first: response}, Jar: &lazyJar{},
		CheckRedirect: func(next *http.Request, via []*http.Request) error { return checkRedirect(next, via, limit) },
	}
	return client.Do(request)
}

// resumedTransport returns the first response again to a client that continues
// from it.
type resumedTransport struct {
	http.RoundTripper

	first *http.Response
}

// RoundTrip sends one request.
func (r *resumedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if response := r.first; response != nil {
		r.first = nil
		return response, nil
	}
	return r.RoundTripper.RoundTrip(request)
}

// readBody reads the body up to the limit, decompresses it if the spec
// requested compression, and keeps it if needed.
func (c *Checker) readBody(h *job.HTTP, response *http.Response, keep bool) ([]byte, error) {
	limit := c.config.BodyLimit
	if h.BodyLimit > 0 {
		limit = int64(h.BodyLimit)
	}
	var body io.Reader = response.Body
	if h.Compression == "gzip" && strings.EqualFold(response.Header.Get("Content-Encoding"), "gzip") && response.Request.Method != http.MethodHead {
		unzipped, err := gzip.NewReader(response.Body)
		if err != nil {
			return nil, fmt.Errorf("decompress body: %w", err)
		}
		body = unzipped
	}
	limited := io.LimitReader(body, limit)
	if !keep {
		_, err := io.Copy(io.Discard, limited)
		return nil, err
	}
	return io.ReadAll(limited)
}

// checkRedirect decides whether to follow a redirect. Credentials are not sent
// from TLS to clear text; the client does not send them to other domains.
func checkRedirect(next *http.Request, via []*http.Request, limit int) error {
	if len(via) > limit {
		return errRedirects
	}
	if next.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https" {
		next.Header.Del("Authorization")
	}
	return stripSecrets(next, via[0])
}

func (c *Checker) httpRequest(ctx context.Context, h *job.HTTP) (*http.Request, error) {
	target, err := parseURL(h.URL)
	if err != nil {
		return nil, err
	}
	body, err := requestBody(h)
	if err != nil {
		return nil, err
	}
	method := h.Method
	if method == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(ctx, method, "", body)
	if err != nil {
		return nil, err
	}
	request.URL, request.Host = target, target.Host // instead of parsing the URL again
	request.Close = true
	request.Header["User-Agent"] = c.userAgent
	if h.Compression != "" {
		request.Header.Set("Accept-Encoding", h.Compression)
	}
	switch {
	case target.User != nil:
		password, _ := target.User.Password()
		request.SetBasicAuth(target.User.Username(), password)
	case h.BasicAuth != nil:
		request.SetBasicAuth(h.BasicAuth.Username, h.BasicAuth.Password)
	case h.BearerToken != "":
		request.Header.Set("Authorization", "Bearer "+h.BearerToken)
	}
	for name, value := range h.Headers {
		if strings.EqualFold(name, "host") {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	return request, nil
}

func requestBody(h *job.HTTP) (io.Reader, error) {
	switch {
	case h.BodyFile != "":
		body, err := os.ReadFile(h.BodyFile)
		if err != nil {
			return nil, newLocalError("read body_file", err)
		}
		return strings.NewReader(string(body)), nil
	case h.Body != "":
		return strings.NewReader(h.Body), nil
	default:
		return http.NoBody, nil
	}
}

// lazyJar is a cookie jar that is created for the first cookie, since most
// responses have none.
type lazyJar struct{ jar *cookiejar.Jar }

// SetCookies keeps cookies for redirects.
func (l *lazyJar) SetCookies(from *url.URL, cookies []*http.Cookie) {
	if l.jar == nil {
		l.jar, _ = cookiejar.New(nil) // never fails, according to its documentation
	}
	l.jar.SetCookies(from, cookies)
}

// Cookies returns the cookies for a URL.
func (l *lazyJar) Cookies(to *url.URL) []*http.Cookie {
	if l.jar == nil {
		return nil
	}
	return l.jar.Cookies(to)
}

// parseURL parses an http or https URL in any case. Without a scheme it is
// http.
func parseURL(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	return parseURLWithScheme(raw, "http", "https")
}

// parseURLWithScheme parses a URL with one of two schemes.
func parseURLWithScheme(raw, plain, secure string) (*url.URL, error) {
	target, err := url.Parse(raw)
	if err != nil {
		// The parser's error would repeat the URL, perhaps with a password.
		return nil, fmt.Errorf("read URL: %w", job.Problem{Found: "an invalid URL (" + innermostText(err) + ")", Expected: "one such as " + plain + "://example.org"})
	}
	target.Scheme = strings.ToLower(target.Scheme)
	if target.Scheme != plain && target.Scheme != secure {
		return nil, fmt.Errorf("read URL: %w", job.Problem{Found: fmt.Sprintf("scheme %q", target.Scheme), Expected: plain + " or " + secure})
	}
	if target.Hostname() == "" {
		return nil, fmt.Errorf("read URL: %w", job.Problem{Found: "no host", Expected: "one"})
	}
	return target, nil
}
