package check

import (
	"encoding/base64"
	"net/url"
	"slices"
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
	for _, user := range urlUsers(filled) {
		password, _ := user.Password()
		secrets.Add(base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password)))
	}
	result.Cause, result.Stack = secrets.Redact(result.Cause), secrets.Redact(result.Stack)
}

// urlUsers returns the credentials in the URLs in a spec.
func urlUsers(spec job.Spec) []*url.Userinfo {
	var urls []string
	switch {
	case spec.HTTP != nil:
		urls = []string{spec.HTTP.URL, spec.HTTP.Proxy}
	case spec.WebSocket != nil:
		urls = []string{spec.WebSocket.URL}
	}
	var users []*url.Userinfo
	for _, raw := range urls {
		if !strings.Contains(raw, "://") {
			raw = "http://" + raw
		}
		if parsed, err := url.Parse(raw); err == nil && parsed.User != nil {
			users = append(users, parsed.User)
		}
	}
	return users
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
	var headers map[string]string
	switch {
	case spec.HTTP != nil:
		headers = spec.HTTP.Headers
		found = append(found, spec.HTTP.BearerToken)
		if spec.HTTP.BasicAuth != nil {
			found = append(found, spec.HTTP.BasicAuth.Password)
		}
	case spec.Heartbeat != nil:
		found = append(found, spec.Heartbeat.Token)
	case spec.GRPC != nil:
		headers = spec.GRPC.Metadata
	case spec.WebSocket != nil:
		headers = spec.WebSocket.Headers
	}
	for name, value := range headers {
		if !slices.Contains([]string{"host", "accept", "user-agent"}, strings.ToLower(name)) {
			found = append(found, value)
		}
	}
	for _, user := range urlUsers(spec) {
		password, _ := user.Password()
		found = append(found, password)
	}
	return found
}
