package check

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"vedette/pipeline/job"
)

// writtenKey is where the context of a check keeps the spec as it was written.
type writtenKey struct{}

// written is a spec as it was written, with its references.
func written(ctx context.Context, spec job.Spec) job.Spec {
	if original, ok := ctx.Value(writtenKey{}).(job.Spec); ok {
		return original
	}
	return spec
}

// withhold keeps secrets from hosts that a redirect leads to: what was written
// for one host is not for another, nor for clear text. The client does so with
// credentials; it cannot know of other headers, of the path in Referer, and of
// bodies. The error is [http.ErrUseLastResponse] where nothing can be left out.
func withhold(next, via *http.Request) error {
	original, ok := next.Context().Value(writtenKey{}).(job.Spec)
	if !ok || original.HTTP == nil || trusted(next.URL, via.URL) {
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

// trusted tells whether a redirect leads to the same host or one below it, as
// the client sees it for credentials, and not from TLS to clear text.
func trusted(next, first *url.URL) bool {
	below := next.Hostname() == first.Hostname() || strings.HasSuffix(next.Hostname(), "."+first.Hostname())
	return below && (next.Scheme == first.Scheme || next.Scheme == "https")
}
