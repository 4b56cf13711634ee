package check

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

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

// facts returns the facts that exist.
func (e *httpExchange) facts(now time.Time) Facts {
	headers := make(map[string]string, len(e.headers))
	for name, values := range e.headers {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	facts := Facts{
		"status": e.status, "headers": headers, "body": strings.ToValidUTF8(string(e.body), "\uFFFD"), "http_version": e.version,
	}
	facts.addCertificate(e.tls, now)
	return facts
}

func validateHTTP(spec job.Spec, p *problems) {
	h := spec.HTTP
	_, err := parseURL(h.URL)
	p.check("url", err)
	if strings.ContainsFunc(h.Method, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		p.add("method", fmt.Sprintf("method %q", h.Method), "capital letters such as GET")
	}
	if h.MaxRedirects != nil && (*h.MaxRedirects < 0 || *h.MaxRedirects > 100) {
		p.add("max_redirects", fmt.Sprintf("max_redirects %d", *h.MaxRedirects), "0 to 100")
	}
	if h.HTTPVersion != "" && h.HTTPVersion != "1.1" && h.HTTPVersion != "2" {
		p.add("http_version", fmt.Sprintf("http_version %q", h.HTTPVersion), "1.1 or 2")
	}
	if h.Compression != "" && h.Compression != "gzip" {
		p.add("compression", fmt.Sprintf("compression %q", h.Compression), "gzip")
	}
	if h.BodyLimit < 0 {
		p.add("body_limit", fmt.Sprintf("body_limit %d", h.BodyLimit), "a number of bytes")
	}
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
