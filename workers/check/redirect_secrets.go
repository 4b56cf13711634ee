package check

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"vedette/pipeline/job"
)

// originalSpecKey is the context key for the spec with its references.
type originalSpecKey struct{}

// originalSpec returns the spec with its references.
func originalSpec(ctx context.Context, spec job.Spec) job.Spec {
	if original, ok := ctx.Value(originalSpecKey{}).(job.Spec); ok {
		return original
	}
	return spec
}

// stripSecrets removes secrets from a redirect to another host, or to clear
// text. The HTTP client does that for credentials, but not for other headers,
// the path in Referer, and bodies. It returns [http.ErrUseLastResponse] if a
// secret cannot be removed.
func stripSecrets(next, via *http.Request) error {
	original, ok := next.Context().Value(originalSpecKey{}).(job.Spec)
	if !ok || original.HTTP == nil || sameSite(next.URL, via.URL) {
		return nil
	}
	next.Header.Del("Referer")
	for name, value := range original.HTTP.Headers {
		if job.HasReference(value) {
			next.Header.Del(name)
		}
	}
	if next.Body != nil && next.Body != http.NoBody && job.HasReference(original.HTTP.Body) {
		return http.ErrUseLastResponse
	}
	return nil
}

// sameSite reports whether a redirect leads to the same host or a subdomain,
// which is also how the client treats credentials, and not from TLS to clear
// text.
func sameSite(next, first *url.URL) bool {
	below := next.Hostname() == first.Hostname() || strings.HasSuffix(next.Hostname(), "."+first.Hostname())
	return below && (next.Scheme == first.Scheme || next.Scheme == "https")
}
