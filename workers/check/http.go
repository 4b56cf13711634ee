package check

import (
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// probeHTTP sends a request over a new connection. A kept connection would hide
// that new ones fail, or that the certificate has changed. Up means that the
// last response has a 2xx status, and its body was read.
func probeHTTP(ctx context.Context, a *attempt) (Facts, error) {
	h := a.spec.HTTP
	request, err := a.c.httpRequest(ctx, h)
	if err != nil {
		return nil, err
	}
	transport := a.transport(h)
	defer transport.CloseIdleConnections()
	response, err := roundTrip(transport, request, redirects(h))
	if response == nil {
		return nil, err
	}
	defer response.Body.Close()
	a.status, a.tls = response.StatusCode, response.TLS
	if err != nil { // a redirect that was not followed
		return nil, err
	}
	version := strings.TrimSuffix(strings.TrimPrefix(response.Proto, "HTTP/"), ".0")
	if h.HTTPVersion == "2" && response.ProtoMajor != 2 {
		return nil, failed(job.ClassProtocol, "the server speaks HTTP/%s, not 2", version)
	}
	body, err := a.readBody(h, response)
	if err != nil {
		return nil, err // the phase stays, for the cause
	}
	a.done()
	if h.RequireTLS && a.tls == nil {
		return nil, failed(job.ClassTLS, "the last server answered without TLS")
	}
	if len(a.spec.Expect) == 0 && a.status/100 != 2 {
		return nil, &targetError{job.ClassStatus, strings.TrimSpace(fmt.Sprintf("status %d %s", a.status, http.StatusText(a.status)))}
	}
	var facts Facts
	if a.wantsFacts() {
		facts = httpResponseFacts(response, body, version)
	}
	return facts, nil
}

func timeoutOf(spec job.Spec) time.Duration {
	return cmp.Or(max(0, spec.Timeout.Std()), DefaultTimeout)
}

func redirects(h *job.HTTP) int {
	if h.MaxRedirects != nil {
		return *h.MaxRedirects
	}
	return 10
}

// roundTrip sends a request and follows redirects. Most responses are no
// redirects, and do not need the standard library's client.
func roundTrip(transport http.RoundTripper, request *http.Request, limit int) (*http.Response, error) {
	response, err := transport.RoundTrip(request)
	if err != nil || limit == 0 || response.StatusCode/100 != 3 || response.Header.Get("Location") == "" {
		return response, err
	}
	jar, _ := cookiejar.New(nil) // never fails, according to its documentation
	client := &http.Client{
		Transport: &resumedTransport{RoundTripper: transport, first: response}, Jar: jar,
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
func (a *attempt) readBody(h *job.HTTP, response *http.Response) ([]byte, error) {
	limit := cmp.Or(int64(h.BodyLimit), a.c.config.BodyLimit)
	var body io.Reader = response.Body
	if h.Compression == "gzip" && strings.EqualFold(response.Header.Get("Content-Encoding"), "gzip") && response.Request.Method != http.MethodHead {
		unzipped, err := gzip.NewReader(response.Body)
		if err != nil {
			return nil, fmt.Errorf("decompress body: %w", err)
		}
		body = unzipped
	}
	limited := io.LimitReader(body, limit)
	if !a.wantsFacts() {
		_, err := io.Copy(io.Discard, limited)
		return nil, err
	}
	return io.ReadAll(limited)
}

// checkRedirect decides whether to follow a redirect. Credentials are not sent
// from TLS to clear text; the client does not send them to other domains.
func checkRedirect(next *http.Request, via []*http.Request, limit int) error {
	if len(via) > limit {
		return failed(job.ClassProtocol, "more than %d redirects", limit)
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
	request, err := http.NewRequestWithContext(ctx, cmp.Or(h.Method, http.MethodGet), "", body)
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

func httpFacts() map[string]*cel.Type {
	return map[string]*cel.Type{
		"status":       cel.IntType,
		"headers":      cel.MapType(cel.StringType, cel.StringType),
		"body":         cel.StringType,
		"json":         cel.DynType,
		"http_version": cel.StringType,
		"certificate":  certificateType(),
	}
}

func httpResponseFacts(response *http.Response, body []byte, version string) Facts {
	headers := make(map[string]string, len(response.Header))
	for name, values := range response.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return Facts{
		"status": response.StatusCode, "headers": headers, "body": strings.ToValidUTF8(string(body), "\uFFFD"), "http_version": version,
	}
}

func validateHTTP(spec job.Spec, p *problems) {
	h := spec.HTTP
	_, err := parseURL(h.URL)
	p.check("url", err)
	isCapital := func(r rune) bool { return r >= 'A' && r <= 'Z' }
	p.require(strings.TrimFunc(h.Method, isCapital) == "", "method", h.Method, "capital letters such as GET")
	p.require(redirects(h) >= 0 && redirects(h) <= 100, "max_redirects", redirects(h), "0 to 100")
	p.require(slices.Contains([]string{"", "1.1", "2"}, h.HTTPVersion), "http_version", h.HTTPVersion, "1.1 or 2")
	p.require(h.Compression == "" || h.Compression == "gzip", "compression", h.Compression, "gzip")
	p.require(h.BodyLimit >= 0, "body_limit", h.BodyLimit, "a number of bytes")
	if h.Body != "" && h.BodyFile != "" {
		p.add("body_file", "body and body_file", "one of them")
	}
	if h.BasicAuth != nil && h.BearerToken != "" {
		p.add("bearer_token", "basic_auth and bearer_token", "one of them")
	}
	if h.Proxy != "" {
		if proxy, err := url.Parse(h.Proxy); err != nil || proxy.Scheme != "http" && proxy.Scheme != "https" || proxy.Host == "" {
			p.add("proxy", "an invalid proxy", "a URL such as http://proxy.example.org:3128")
		}
	}
	validateHeaders(h.Headers, "headers", p)
	validateNetwork(h.Network, p)
	validateNestedTLS(h.TLS, p)
}

func validateHeaders(headers map[string]string, field string, p *problems) {
	for name, value := range headers {
		if name == "" || strings.ContainsAny(name, " :\r\n\t") || http.CanonicalHeaderKey(name) == "" {
			p.add(field, fmt.Sprintf("header name %q", name), "letters, digits and -")
		}
		if strings.ContainsAny(value, "\r\n") && !isBinary(field, name) {
			p.add(field, fmt.Sprintf("a line break in the value of header %q", name), "none")
		}
	}
}

// isBinary reports whether gRPC encodes a metadata value.
func isBinary(field, name string) bool {
	return field == "metadata" && strings.HasSuffix(strings.ToLower(name), "-bin")
}
