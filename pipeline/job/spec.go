package job

import (
	"errors"
	"fmt"
	"strings"

	"vedette/pipeline/redact"
)

// Spec has the probe and its expectations. Exactly one probe is set.
type Spec struct {
	HTTP      *HTTP      `json:"http,omitempty"`
	TCP       *TCP       `json:"tcp,omitempty"`
	TLS       *TLS       `json:"tls,omitempty"`
	DNS       *DNS       `json:"dns,omitempty"`
	ICMP      *ICMP      `json:"icmp,omitempty"`
	GRPC      *GRPC      `json:"grpc,omitempty"`
	WebSocket *WebSocket `json:"websocket,omitempty"`
	Heartbeat *Heartbeat `json:"heartbeat,omitempty"`
	// Expect are CEL expressions over the probe's facts; the target is down unless
	// all are true. Without expressions the probe's own success rule applies, such
	// as a 2xx status for http.
	Expect []string `json:"expect,omitempty"`
	// Warn are expressions that make an up target degraded unless all are true.
	Warn []string `json:"warn,omitempty"`
	// Negate inverts the result: the target must be absent or must fail the
	// expectations. An unknown result stays unknown.
	Negate bool `json:"negate,omitempty"`
	// Timeout limits the whole check: name lookup, connection, TLS, first byte and
	// body. Zero means 10s.
	Timeout Duration `json:"timeout,omitempty"`
}

// Probe kinds, as in files, messages and results.
const (
	KindHTTP      = "http"
	KindTCP       = "tcp"
	KindTLS       = "tls"
	KindDNS       = "dns"
	KindICMP      = "icmp"
	KindGRPC      = "grpc"
	KindWebSocket = "websocket"
	KindHeartbeat = "heartbeat"
)

// Kinds lists all probe kinds.
func Kinds() []string {
	var kinds []string
	for _, p := range (Spec{}).probes() {
		kinds = append(kinds, p.kind)
	}
	return kinds
}

// probe is one probe field in a spec.
type probe struct {
	kind string
	set  bool
}

// probes lists the probe fields. A new probe needs a line here and one in Target.
// It runs for each check, so it allocates nothing.
func (s Spec) probes() [8]probe {
	return [8]probe{
		{KindHTTP, s.HTTP != nil},
		{KindTCP, s.TCP != nil},
		{KindTLS, s.TLS != nil},
		{KindDNS, s.DNS != nil},
		{KindICMP, s.ICMP != nil},
		{KindGRPC, s.GRPC != nil},
		{KindWebSocket, s.WebSocket != nil},
		{KindHeartbeat, s.Heartbeat != nil},
	}
}

// ErrProbe is returned by [Spec.Kind] for a spec without exactly one probe.
var ErrProbe = errors.New("expected exactly one probe")

// Kind returns the kind of the spec's only probe. The error is [ErrProbe] for a
// spec with no probe or several.
func (s Spec) Kind() (string, error) {
	kind, several := "", ""
	for _, p := range s.probes() {
		switch {
		case !p.set:
		case kind == "":
			kind = p.kind
		default:
			several += " and " + p.kind
		}
	}
	switch {
	case kind == "":
		return "", fmt.Errorf("found none, %w: %s", ErrProbe, strings.Join(Kinds(), ", "))
	case several != "":
		return "", fmt.Errorf("found %s%s, %w: %s", kind, several, ErrProbe, strings.Join(Kinds(), ", "))
	default:
		return kind, nil
	}
}

// Target returns the target for display: the URL without its password, or
// host:port. It is empty for a spec without a probe.
func (s Spec) Target() string {
	switch {
	case s.HTTP != nil:
		return redact.URL(s.HTTP.URL)
	case s.TCP != nil:
		return s.TCP.Address
	case s.TLS != nil:
		return s.TLS.Address
	case s.DNS != nil:
		return s.DNS.Name
	case s.ICMP != nil:
		return s.ICMP.Host
	case s.GRPC != nil:
		return s.GRPC.Address
	case s.WebSocket != nil:
		return redact.URL(s.WebSocket.URL)
	case s.Heartbeat != nil:
		return "heartbeat every " + s.Heartbeat.Interval.Std().String()
	default:
		return ""
	}
}
