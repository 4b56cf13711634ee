package check

import (
	"encoding/base64"
	"net/url"
	"strings"

	"vedette/pipeline/job"
	"vedette/pipeline/redact"
)

// redactReferenced removes the referenced secrets from a result.
func (f *secretExpansion) redactReferenced(filled job.Spec, result *job.ProbeResult) {
	if result.Cause == "" && result.Stack == "" { // the usual case
		return
	}
	var secrets redact.Redactor
	for _, value := range f.known {
		secrets.Add(value)
	}
	if h := filled.HTTP; h != nil && h.BasicAuth != nil {
		secrets.Add(base64.StdEncoding.EncodeToString([]byte(h.BasicAuth.Username + ":" + h.BasicAuth.Password)))
	}
	for _, credentials := range urlCredentials(filled) {
		secrets.Add(base64.StdEncoding.EncodeToString([]byte(credentials)))
	}
	result.Cause, result.Stack = secrets.Redact(result.Cause), secrets.Redact(result.Stack)
}

// urlCredentials returns the credentials in the URLs in a spec, as they are sent.
func urlCredentials(spec job.Spec) []string {
	var urls, found []string
	switch {
	case spec.HTTP != nil:
		urls = []string{spec.HTTP.URL, spec.HTTP.Proxy}
	case spec.WebSocket != nil:
		urls = []string{spec.WebSocket.URL}
	}
	for _, raw := range urls {
		if parsed, err := parseAnyURL(raw); err == nil && parsed.User != nil {
			password, _ := parsed.User.Password()
			found = append(found, parsed.User.Username()+":"+password)
		}
	}
	return found
}

// redactLiteral removes the literal secrets in a spec from a cause. A server that
// echoes its input would put them into mails.
func redactLiteral(cause string, spec job.Spec) string {
	if cause == "" || spec.HTTP == nil && spec.GRPC == nil && spec.WebSocket == nil && spec.Heartbeat == nil {
		return cause
	}
	return redact.Values(cause, literalSecrets(spec)...)
}

// literalSecrets returns all values in a spec that may be secrets.
func literalSecrets(spec job.Spec) []string {
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

// parseAnyURL parses a URL with any scheme, or without one.
func parseAnyURL(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	return url.Parse(raw)
}
