package job

import "encoding/json"

// The structs of this file are the probes' parameters, the same in YAML and in
// JSON. A tag "file" tells the reader of monitor files more of a field: short
// is the one that a probe without a mapping is, such as "http: URL"; required
// must be there; secret is never shown; url, method, address and headers are
// read as such; sent may hold references to secrets, since the probe sends it;
// max= is the greatest that a number may be.

// Network says how a probe gets to its target. All of it has a default.
type Network struct {
	// IPFamily is "4" or "6" to use that family alone. Otherwise all addresses
	// are tried, in the resolver's order.
	IPFamily string `json:"ip_family,omitempty"`
	// Resolver is the address and port of a DNS server to ask instead of the
	// system's, such as 192.0.2.53:53.
	Resolver string `json:"resolver,omitempty" file:"address"`
}

// TLSOptions say how a probe speaks TLS. Files are read on the machine that
// makes the check.
type TLSOptions struct {
	// CAFile holds the certificates, PEM, that are trusted instead of the
	// system's.
	CAFile string `json:"ca_file,omitempty"`
	// CertFile and KeyFile are a client certificate and its key, PEM.
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
	// ServerName is asked for and verified instead of the host of the address.
	ServerName string `json:"server_name,omitempty"`
	// MinVersion is "1.2", the default, or "1.3"; "1.0" and "1.1" are for
	// servers that cannot do better.
	MinVersion string `json:"min_version,omitempty"`
	// InsecureSkipVerify accepts any certificate. Its facts are known all the
	// same.
	InsecureSkipVerify bool `json:"insecure_skip_verify,omitempty"`
}

// HTTP is the http probe. Its short form in JSON and YAML is the URL alone.
type HTTP struct {
	// URL has scheme http or https, in any case; without one it is http.
	URL string `json:"url" file:"short,required,url,sent"`
	// Method is GET when empty.
	Method string `json:"method,omitempty" file:"method"`
	// Headers are sent as they are; Host sets the request's host.
	Headers map[string]string `json:"headers,omitempty" file:"headers,sent"`
	// Body is sent with the request, or what BodyFile holds, which is read on
	// the machine that makes the check, at each check.
	Body     string `json:"body,omitempty" file:"sent"`
	BodyFile string `json:"body_file,omitempty"`
	// BasicAuth and BearerToken are ways to log in; they go to the first host
	// alone, and to no other that it redirects to.
	BasicAuth   *BasicAuth `json:"basic_auth,omitempty"`
	BearerToken string     `json:"bearer_token,omitempty" file:"secret,sent"`
	// MaxRedirects is how many redirects are followed; nil means 10, 0 means
	// that a redirect is the answer.
	MaxRedirects *int `json:"max_redirects,omitempty" file:"max=100"`
	// HTTPVersion is "1.1" or "2" to speak that alone. Otherwise it is 1.1, and
	// 2 with a server that speaks nothing else.
	HTTPVersion string `json:"http_version,omitempty"`
	// RequireTLS makes an answer that came without TLS, from the last server, a
	// failure.
	RequireTLS bool `json:"require_tls,omitempty"`
	// Compression is "gzip" to ask for an answer that is compressed so.
	Compression string `json:"compression,omitempty"`
	// BodyLimit is how many bytes of the body are read, after decompression.
	// Defaults to 10 MiB; what is beyond is not read and no failure.
	BodyLimit int `json:"body_limit,omitempty"`
	// Proxy is the URL of an HTTP proxy to go through.
	Proxy string      `json:"proxy,omitempty" file:"secret,sent"`
	TLS   *TLSOptions `json:"tls,omitempty"`

	Network
}

// BasicAuth is a name and a password, RFC 7617.
type BasicAuth struct {
	Username string `json:"username" file:"required,sent"`
	Password string `json:"password" file:"required,secret,sent"`
}

// TCP is the tcp probe. Its short form in JSON and YAML is the address alone.
type TCP struct {
	// Address is host:port; an IPv6 host stands in brackets.
	Address string `json:"address" file:"short,required,address"`
	// TLS, when it is there, has the connection speak TLS: from its beginning,
	// or, if the dialogue has a step starttls, from that on.
	TLS *TLSOptions `json:"tls,omitempty"`
	// Dialogue is what is said, step by step.
	Dialogue []Step `json:"dialogue,omitempty"`

	Network
}

// Step is one step of a dialogue: exactly one of its fields is set.
type Step struct {
	// Send is sent as it is. %{1} and %{name} stand for what the groups of the
	// expressions before have captured, %% for a percent sign.
	Send string `json:"send,omitempty" file:"sent"`
	// SendHex is sent as the bytes that it stands for.
	SendHex string `json:"send_hex,omitempty"`
	// Expect is an expression of RE2 that what comes next must hold somewhere;
	// what is up to the end of it has been taken.
	Expect string `json:"expect,omitempty"`
	// ExpectHex are bytes that what comes next must hold somewhere.
	ExpectHex string `json:"expect_hex,omitempty"`
	// StartTLS makes the connection speak TLS from here on.
	StartTLS bool `json:"starttls,omitempty"`
}

// TLS is the tls probe: a handshake. Its short form is the address alone.
type TLS struct {
	Address string `json:"address" file:"short,required,address"`

	TLSOptions
	Network
}

// DNS is the dns probe. Its short form is the name alone.
type DNS struct {
	// Name is what is asked for.
	Name string `json:"name" file:"short,required"`
	// Type is A when empty, Class IN.
	Type  string `json:"type,omitempty"`
	Class string `json:"class,omitempty"`
	// Server is the host:port that is asked; the system's first resolver when
	// empty. The port is 53 when it is left out, 853 for tls.
	Server string `json:"server,omitempty"`
	// Protocol is udp when empty, tcp, or tls. An answer by udp that was cut off
	// is asked for again by tcp.
	Protocol string `json:"protocol,omitempty"`
	// Recursion is whether the server is asked to ask others. Nil means yes.
	Recursion *bool       `json:"recursion,omitempty"`
	TLS       *TLSOptions `json:"tls,omitempty"`

	Network
}

// ICMP is the icmp probe: echo requests, as ping sends them. Its short form is
// the host alone.
type ICMP struct {
	Host string `json:"host" file:"short,required"`
	// Count is how many requests are sent, 3 when zero; Size how many bytes of
	// data each holds, 56 when zero.
	Count int `json:"count,omitempty"`
	Size  int `json:"size,omitempty"`
	// Pause is between two requests, 200ms when zero.
	Pause Duration `json:"pause,omitempty"`

	Network
}

// GRPC is the grpc probe: the health service that servers have by convention
// (grpc.health.v1). Its short form is the address alone.
type GRPC struct {
	Address string `json:"address" file:"short,required,address"`
	// Service is asked about; empty means the server as a whole.
	Service string `json:"service,omitempty"`
	// TLS, when it is there, has the connection speak TLS.
	TLS *TLSOptions `json:"tls,omitempty"`
	// Metadata is sent with the request.
	Metadata map[string]string `json:"metadata,omitempty" file:"headers,sent"`

	Network
}

// WebSocket is the websocket probe: the upgrade, and maybe a message each way.
// Its short form is the URL alone.
type WebSocket struct {
	// URL has scheme ws or wss.
	URL     string            `json:"url" file:"short,required,sent"`
	Headers map[string]string `json:"headers,omitempty" file:"headers,sent"`
	// Send is sent as a text message; Expect is an expression of RE2 that one of
	// the messages that come must hold.
	Send   string      `json:"send,omitempty" file:"sent"`
	Expect string      `json:"expect,omitempty"`
	TLS    *TLSOptions `json:"tls,omitempty"`

	Network
}

// UnmarshalJSON accepts the mapping and its short form, a string.
func (h *HTTP) UnmarshalJSON(data []byte) error {
	type mapping HTTP
	return decodeShort(data, (*mapping)(h), func() *string { *h = HTTP{}; return &h.URL })
}

// UnmarshalJSON accepts the mapping and its short form, a string.
func (t *TCP) UnmarshalJSON(data []byte) error {
	type mapping TCP
	return decodeShort(data, (*mapping)(t), func() *string { *t = TCP{}; return &t.Address })
}

// UnmarshalJSON accepts the mapping and its short form, a string.
func (t *TLS) UnmarshalJSON(data []byte) error {
	type mapping TLS
	return decodeShort(data, (*mapping)(t), func() *string { *t = TLS{}; return &t.Address })
}

// UnmarshalJSON accepts the mapping and its short form, a string.
func (d *DNS) UnmarshalJSON(data []byte) error {
	type mapping DNS
	return decodeShort(data, (*mapping)(d), func() *string { *d = DNS{}; return &d.Name })
}

// UnmarshalJSON accepts the mapping and its short form, a string.
func (i *ICMP) UnmarshalJSON(data []byte) error {
	type mapping ICMP
	return decodeShort(data, (*mapping)(i), func() *string { *i = ICMP{}; return &i.Host })
}

// UnmarshalJSON accepts the mapping and its short form, a string.
func (g *GRPC) UnmarshalJSON(data []byte) error {
	type mapping GRPC
	return decodeShort(data, (*mapping)(g), func() *string { *g = GRPC{}; return &g.Address })
}

// UnmarshalJSON accepts the mapping and its short form, a string.
func (w *WebSocket) UnmarshalJSON(data []byte) error {
	type mapping WebSocket
	return decodeShort(data, (*mapping)(w), func() *string { *w = WebSocket{}; return &w.URL })
}

// decodeShort decodes a probe from its mapping, or, when it is a string, into
// the field of its short form.
func decodeShort(data []byte, mapping any, short func() *string) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, short())
	}
	return decodeStrict(data, mapping)
}
