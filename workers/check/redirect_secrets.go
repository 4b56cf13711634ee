package check

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"vedette/pipeline/job"
)

// originalSpecKey is where the context of a check keeps the spec as it was written.
type originalSpecKey struct{}

// originalSpec is a spec as it was written, with its references.
func originalSpec(ctx context.Context, spec job.Spec) job.Spec {
	if original, ok := ctx.Value(originalSpecKey{}).(job.Spec); ok {
		return original
	}
	return spec
}

// stripSecrets keeps secrets from hosts that a redirect leads to: what was written
// for one host is not for another, nor for clear text. The client does so with
// credentials; it cannot know of other headers, of the path in Referer, and of
// bodies. The error is [http.ErrUseLastResponse] where nothing can be left out.
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

// sameSite tells whether a redirect leads to the same host or one below it, as
// the client sees it for credentials, and not from TLS to clear text.
func sameSite(next, first *url.URL) bool {
	below := next.Hostname() == first.Hostname() || strings.HasSuffix(next.Hostname(), "."+first.Hostname())
	return below && (next.Scheme == first.Scheme || next.Scheme == "https")
}
