package check

import (
	"net/url"
	"strings"

	"vedette/pipeline/job"
)

// shortest is the length from which a value is taken for a secret; what is
// shorter is no secret, and stands in too many words.
const shortest = 4

// mask hides the secrets of a spec in a text that a server may have had a part
// in: one that echoes what it is sent would have them in its mails.
func mask(text string, spec job.Spec) string {
	if text == "" || spec.HTTP == nil && spec.GRPC == nil && spec.WebSocket == nil && spec.Heartbeat == nil {
		return text
	}
	for _, secret := range secrets(spec) {
		if len(secret) >= shortest {
			text = strings.ReplaceAll(text, secret, "****")
		}
	}
	return text
}

// secrets are all values of a spec that may be some.
func secrets(spec job.Spec) []string {
	var found []string
	urls, headers := []string{}, map[string]string{}
	switch {
	case spec.HTTP != nil:
		h := spec.HTTP
		urls, headers = []string{h.URL, h.Proxy}, h.Headers
		found = append(found, h.BearerToken)
		if h.BasicAuth != nil {
			found = append(found, h.BasicAuth.Password)
		}
	case spec.Heartbeat != nil:
		found = append(found, spec.Heartbeat.Token)
	case spec.GRPC != nil:
		headers = spec.GRPC.Metadata
	case spec.WebSocket != nil:
		urls, headers = []string{spec.WebSocket.URL}, spec.WebSocket.Headers
	}
	for name, value := range headers {
		if !strings.EqualFold(name, "host") && !strings.EqualFold(name, "accept") && !strings.EqualFold(name, "user-agent") {
			found = append(found, value)
		}
	}
	for _, u := range urls {
		if parsed, err := parseAnyURL(u); err == nil && parsed.User != nil {
			if password, ok := parsed.User.Password(); ok {
				found = append(found, password)
			}
		}
	}
	return found
}

// parseAnyURL reads a URL of any scheme.
func parseAnyURL(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	return url.Parse(raw)
}
