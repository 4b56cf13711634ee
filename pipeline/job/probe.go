package job

import "fmt"

// The structs in this file are the probe parameters, the same in YAML and JSON.
// The tag "file" is for the monitor file reader: short marks the field for the
// short form, such as "http: URL"; required fields must be set; secret fields are
// never shown; url, method, address and headers name a syntax; sent fields may
// contain secret references, because the probe sends them; max= is an upper
// limit.

// Network has the options for reaching the target. Each has a default.
type Network struct {
	// IPFamily is "4" or "6" to use only that family. By default the probe tries
	// all addresses in the resolver's order.
	IPFamily string `json:"ip_family,omitempty"`
	// Resolver is the address and port, such as 192.0.2.53:53, for a DNS server
	// that replaces the system's.
	Resolver string `json:"resolver,omitempty" file:"address"`
}

// TLSOptions configure TLS. Files are read on the machine that makes the check.
type TLSOptions struct {
	// CAFile has the trusted certificates, PEM, instead of the system's.
	CAFile string `json:"ca_file,omitempty"`
	// CertFile and KeyFile are a client certificate and its key, PEM.
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
	// ServerName is sent and verified instead of the address's host.
	ServerName string `json:"server_name,omitempty"`
	// MinVersion is "1.2", the default, or "1.3"; "1.0" and "1.1" are for old
	// servers.
	MinVersion string `json:"min_version,omitempty"`
	// InsecureSkipVerify accepts any certificate. Its facts are still available to
	// expressions.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

// HTTP is the http probe. Its short form in JSON and YAML is the URL.
type HTTP struct {
	// URL has the scheme http or https; a URL without a scheme uses http.
	URL string `json:"url" file:"short,required,url,sent"`
	// Method is GET when empty.
	Method string `json:"method,omitempty" file:"method"`
	// Headers are sent unchanged; Host sets the request's host.
	Headers map[string]string `json:"headers,omitempty" file:"headers,sent"`
	// Body is the request body. BodyFile is a file with the body instead, read at
	// each check on the machine that makes it.
	Body     string `json:"body,omitempty" file:"sent"`
	BodyFile string `json:"body_file,omitempty"`
	// BasicAuth and BearerToken are credentials. The probe sends them to the first
	// host only, never to the host in a redirect.
	BasicAuth   *BasicAuth `json:"basic_auth,omitempty"`
	BearerToken string     `json:"bearer_token,omitempty" file:"secret,sent"`
	// MaxRedirects is how many redirects the probe follows; nil means 10. With 0
	// the redirect itself is the response.
	MaxRedirects *int `json:"max_redirects,omitempty" file:"max=100"`
	// HTTPVersion is "1.1" or "2" to require that version. By default the probe
	// speaks 1.1, and 2 with servers that accept only that.
	HTTPVersion string `json:"http_version,omitempty"`
	// RequireTLS makes a response without TLS from the last server a failure.
	RequireTLS bool `json:"require_tls,omitempty"`
	// Compression is "gzip" to request a compressed response.
	Compression string `json:"compression,omitempty"`
	// BodyLimit is how many bytes of the body the probe reads, after
	// decompression. Defaults to 10 MiB; a longer body is not a failure.
	BodyLimit int `json:"body_limit,omitempty"`
	// Proxy is the URL for an HTTP proxy.
	Proxy string      `json:"proxy,omitempty" file:"secret,sent"`
	TLS   *TLSOptions `json:"tls,omitempty"`

	Network
}

// BasicAuth has a name and a password, RFC 7617.
type BasicAuth struct {
	Username string `json:"username" file:"required,sent"`
	Password string `json:"password" file:"required,secret,sent"`
}

// TCP is the tcp probe. Its short form in JSON and YAML is the address.
type TCP struct {
	// Address is host:port; an IPv6 host stands in brackets.
	Address string `json:"address" file:"short,required,address"`
	// TLS turns on TLS: from the start, or from the step starttls if the dialogue
	// has one.
	TLS *TLSOptions `json:"tls,omitempty"`
	// Dialogue lists the steps to send and expect.
	Dialogue []Step `json:"dialogue,omitempty"`

	Network
}

// Step is one step in a dialogue: exactly one field is set.
type Step struct {
	// Send is sent unchanged, except that %{1} and %{name} insert what the groups
	// in earlier expressions captured, and %% is a percent sign.
	Send string `json:"send,omitempty" file:"sent"`
	// SendHex are bytes to send, in hexadecimal.
	SendHex string `json:"send_hex,omitempty"`
	// Expect is an RE2 expression that the received data must match. The match and
	// everything before it are consumed.
	Expect string `json:"expect,omitempty"`
	// ExpectHex are bytes that the received data must contain, in hexadecimal.
	ExpectHex string `json:"expect_hex,omitempty"`
	// StartTLS switches the connection to TLS.
	StartTLS bool `json:"starttls,omitempty"`
}

// TLS is the tls probe: a handshake. Its short form is the address.
type TLS struct {
	Address string `json:"address" file:"short,required,address"`

	TLSOptions
	Network
}

// DNS is the dns probe. Its short form is the name.
type DNS struct {
	// Name is the domain name in the question.
	Name string `json:"name" file:"short,required"`
	// Type defaults to A, Class to IN.
	Type  string `json:"type,omitempty"`
	Class string `json:"class,omitempty"`
	// Server is the DNS server, host:port. Defaults to the system's first resolver;
	// the port defaults to 53, or 853 for tls.
	Server string `json:"server,omitempty"`
	// Protocol is udp, the default, tcp or tls. After a truncated udp response the
	// probe asks again with tcp.
	Protocol string `json:"protocol,omitempty"`
	// Recursion requests recursion. Nil means true.
	Recursion *bool       `json:"recursion,omitempty"`
	TLS       *TLSOptions `json:"tls,omitempty"`

	Network
}

// ICMP is the icmp probe: echo requests, as from ping. Its short form is the
// host.
type ICMP struct {
	Host string `json:"host" file:"short,required"`
	// Count is the number of requests, default 3; Size the data bytes in each,
	// default 56.
	Count int `json:"count,omitempty"`
	Size  int `json:"size,omitempty"`
	// Pause is the time between two requests, default 200ms.
	Pause Duration `json:"pause,omitempty"`

	Network
}

// GRPC is the grpc probe: the standard health service, grpc.health.v1. Its short
// form is the address.
type GRPC struct {
	Address string `json:"address" file:"short,required,address"`
	// Service is the service to ask about; empty means the whole server.
	Service string `json:"service,omitempty"`
	// TLS turns on TLS.
	TLS *TLSOptions `json:"tls,omitempty"`
	// Metadata is sent with the request.
	Metadata map[string]string `json:"metadata,omitempty" file:"headers,sent"`

	Network
}

// WebSocket is the websocket probe: the upgrade, and optionally a message in each
// direction. Its short form is the URL.
type WebSocket struct {
	// URL has the scheme ws or wss.
	URL     string            `json:"url" file:"short,required,sent"`
	Headers map[string]string `json:"headers,omitempty" file:"headers,sent"`
	// Send is a text message to send; Expect is an RE2 expression that a received
	// message must match.
	Send   string      `json:"send,omitempty" file:"sent"`
	Expect string      `json:"expect,omitempty"`
	TLS    *TLSOptions `json:"tls,omitempty"`

	Network
}

// The same structs without UnmarshalJSON.
type (
	httpFields      HTTP
	tcpFields       TCP
	tlsFields       TLS
	dnsFields       DNS
	icmpFields      ICMP
	grpcFields      GRPC
	webSocketFields WebSocket
)

// UnmarshalJSON accepts the mapping or its short form, a string.
func (h *HTTP) UnmarshalJSON(data []byte) error { return decodeShort(data, "url", (*httpFields)(h)) }

// UnmarshalJSON accepts the mapping or its short form, a string.
func (t *TCP) UnmarshalJSON(data []byte) error { return decodeShort(data, "address", (*tcpFields)(t)) }

// UnmarshalJSON accepts the mapping or its short form, a string.
func (t *TLS) UnmarshalJSON(data []byte) error { return decodeShort(data, "address", (*tlsFields)(t)) }

// UnmarshalJSON accepts the mapping or its short form, a string.
func (d *DNS) UnmarshalJSON(data []byte) error { return decodeShort(data, "name", (*dnsFields)(d)) }

// UnmarshalJSON accepts the mapping or its short form, a string.
func (i *ICMP) UnmarshalJSON(data []byte) error { return decodeShort(data, "host", (*icmpFields)(i)) }

// UnmarshalJSON accepts the mapping or its short form, a string.
func (g *GRPC) UnmarshalJSON(data []byte) error {
	return decodeShort(data, "address", (*grpcFields)(g))
}

// UnmarshalJSON accepts the mapping or its short form, a string.
func (w *WebSocket) UnmarshalJSON(data []byte) error {
	return decodeShort(data, "url", (*webSocketFields)(w))
}

// decodeShort decodes a probe from its mapping, or from a string, which is the value
// for key.
func decodeShort(data []byte, key string, fields any) error {
	if len(data) > 0 && data[0] == '"' {
		data = fmt.Appendf(nil, "{%q:%s}", key, data)
	}
	return decodeStrict(data, fields)
}
