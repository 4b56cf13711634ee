package job

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Spec says what to check and what to expect of it. Exactly one probe is set.
type Spec struct {
	// HTTP asks a web server.
	HTTP *HTTP `json:"http,omitempty"`
	// TCP opens a connection.
	TCP *TCP `json:"tcp,omitempty"`
	// Expect are CEL expressions over the facts of the probe; the target is
	// down unless all are true. Without any, the probe's own idea of up
	// counts: a status of 2xx for http, an open connection for tcp.
	Expect []string `json:"expect,omitempty"`
	// Timeout bounds everything: name lookup, connection, TLS, first byte and
	// body. Zero means 10s.
	Timeout Duration `json:"timeout,omitempty"`
}

// Kinds of probe, as they are named in files, messages and results.
const (
	KindHTTP = "http"
	KindTCP  = "tcp"
)

// ErrProbe is returned by [Spec.Kind] for a spec without exactly one probe.
var ErrProbe = errors.New("expected exactly one probe: http or tcp")

// Kind names the one probe of the spec. The error is [ErrProbe] when there is
// none or more than one.
func (s Spec) Kind() (string, error) {
	switch {
	case s.HTTP != nil && s.TCP == nil:
		return KindHTTP, nil
	case s.TCP != nil && s.HTTP == nil:
		return KindTCP, nil
	case s.HTTP != nil && s.TCP != nil:
		return "", fmt.Errorf("found http and tcp, %w", ErrProbe)
	default:
		return "", fmt.Errorf("found none, %w", ErrProbe)
	}
}

// Target is what a person would call the checked thing: the URL, or host:port.
// It is empty for a spec without a probe.
func (s Spec) Target() string {
	switch {
	case s.HTTP != nil:
		return s.HTTP.URL
	case s.TCP != nil:
		return s.TCP.Address
	default:
		return ""
	}
}

// HTTP is the http probe. Its short form in JSON and YAML is the URL alone.
type HTTP struct {
	// URL is absolute, with scheme http or https.
	URL string `json:"url"`
	// Method is GET when empty.
	Method string `json:"method,omitempty"`
	// Headers are sent as they are; Host sets the request's host.
	Headers map[string]string `json:"headers,omitempty"`
	// Body is sent with the request.
	Body string `json:"body,omitempty"`
	// MaxRedirects is how many redirects are followed; nil means 10, 0 means
	// that a redirect is the answer.
	MaxRedirects *int `json:"max_redirects,omitempty"`
}

// UnmarshalJSON accepts the mapping and its short form, a string.
func (h *HTTP) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*h = HTTP{}
		return json.Unmarshal(data, &h.URL)
	}
	type mapping HTTP
	return decodeStrict(data, (*mapping)(h))
}

// TCP is the tcp probe. Its short form in JSON and YAML is the address alone.
type TCP struct {
	// Address is host:port; an IPv6 host stands in brackets.
	Address string `json:"address"`
}

// UnmarshalJSON accepts the mapping and its short form, a string.
func (t *TCP) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*t = TCP{}
		return json.Unmarshal(data, &t.Address)
	}
	type mapping TCP
	return decodeStrict(data, (*mapping)(t))
}
