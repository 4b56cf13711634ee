package job

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// SecretContext is the part of a request in which a text is sent. It decides how a
// secret is encoded and which values are valid.
type SecretContext string

// The contexts, and the encoding for a secret in each.
const (
	ContextURL      SecretContext = "URL"             // percent-encoded
	ContextHeader   SecretContext = "header"          // unchanged, one line
	ContextUsername SecretContext = "username"        // one line without a colon, RFC 7617
	ContextMetadata SecretContext = "metadata"        // printable ASCII
	ContextBody     SecretContext = "body"            // unchanged, any bytes
	ContextMessage  SecretContext = "text message"    // UTF-8, RFC 6455
	ContextDialogue SecretContext = "dialogue"        // one line; a percent sign is literal
	ContextBinary   SecretContext = "binary metadata" // unchanged, any bytes
	binaryMetadata                = "-bin"
)

// SentText is a text that a probe sends.
type SentText struct {
	// Path is the field below the probe: "headers.X-Key", "dialogue[1].send".
	Path    string
	Context SecretContext
	Text    string
}

// HasReference reports whether any text that the probe sends may contain a secret
// reference. It runs at each check and costs a few nanoseconds.
func (s Spec) HasReference() bool {
	switch {
	case s.HTTP != nil:
		return s.HTTP.hasReference()
	case s.TCP != nil:
		return slices.ContainsFunc(s.TCP.Dialogue, func(step Step) bool { return HasReference(step.Send) })
	case s.GRPC != nil:
		return anyHasReference(s.GRPC.Metadata)
	case s.WebSocket != nil:
		w := s.WebSocket
		return HasReference(w.URL) || HasReference(w.Send) || anyHasReference(w.Headers)
	default:
		return false
	}
}

func (h *HTTP) hasReference() bool {
	return HasReference(h.URL) || HasReference(h.BearerToken) || HasReference(h.Body) || HasReference(h.Proxy) || anyHasReference(h.Headers) ||
		h.BasicAuth != nil && (HasReference(h.BasicAuth.Username) || HasReference(h.BasicAuth.Password))
}

func anyHasReference(texts map[string]string) bool {
	for _, text := range texts {
		if HasReference(text) {
			return true
		}
	}
	return false
}

// SecretNames returns the names of the secrets that the probe refers to, sorted
// and without duplicates. It ignores malformed references.
func (s Spec) SecretNames() []string {
	if !s.HasReference() {
		return nil
	}
	names := map[string]bool{}
	_, _ = s.MapSentTexts(func(sent SentText) (string, error) {
		_, err := ExpandReferences(sent.Text, func(name string) (string, error) { names[name] = true; return "", nil })
		return "", err
	})
	return slices.Sorted(maps.Keys(names))
}

// MapSentTexts returns a copy of the spec in which change has replaced each text
// that may contain a reference. It visits all texts; the error is the first one
// from change.
func (s Spec) MapSentTexts(change func(SentText) (string, error)) (Spec, error) {
	m := &sentMapper{change: change}
	switch {
	case s.HTTP != nil:
		s.HTTP = m.httpProbe(*s.HTTP)
	case s.TCP != nil:
		s.TCP = m.tcpProbe(*s.TCP)
	case s.GRPC != nil:
		g := *s.GRPC
		g.Metadata = m.mapTexts("metadata", g.Metadata, metadataContext)
		s.GRPC = &g
	case s.WebSocket != nil:
		s.WebSocket = m.webSocketProbe(*s.WebSocket)
	}
	return s, m.err
}

type sentMapper struct {
	change func(SentText) (string, error)
	err    error
}

func (m *sentMapper) httpProbe(h HTTP) *HTTP {
	h.URL = m.mapText("url", ContextURL, h.URL)
	h.Headers = m.mapTexts("headers", h.Headers, headerContext)
	h.Body = m.mapText("body", ContextBody, h.Body)
	if h.BasicAuth != nil {
		h.BasicAuth = &BasicAuth{
			Username: m.mapText("basic_auth.username", ContextUsername, h.BasicAuth.Username),
			Password: m.mapText("basic_auth.password", ContextHeader, h.BasicAuth.Password),
		}
	}
	h.BearerToken = m.mapText("bearer_token", ContextHeader, h.BearerToken)
	h.Proxy = m.mapText("proxy", ContextURL, h.Proxy)
	return &h
}

func (m *sentMapper) tcpProbe(t TCP) *TCP {
	t.Dialogue = slices.Clone(t.Dialogue)
	for i := range t.Dialogue {
		t.Dialogue[i].Send = m.mapText("dialogue["+strconv.Itoa(i)+"].send", ContextDialogue, t.Dialogue[i].Send)
	}
	return &t
}

func (m *sentMapper) webSocketProbe(w WebSocket) *WebSocket {
	w.URL = m.mapText("url", ContextURL, w.URL)
	w.Headers = m.mapTexts("headers", w.Headers, headerContext)
	w.Send = m.mapText("send", ContextMessage, w.Send)
	return &w
}

func headerContext(string) SecretContext { return ContextHeader }

// metadataContext follows gRPC, which encodes the values for keys that end in
// -bin.
func metadataContext(key string) SecretContext {
	if strings.HasSuffix(strings.ToLower(key), binaryMetadata) {
		return ContextBinary
	}
	return ContextMetadata
}

func (m *sentMapper) mapText(path string, place SecretContext, text string) string {
	if !HasReference(text) {
		return text
	}
	changed, err := m.change(SentText{Path: path, Context: place, Text: text})
	if m.err == nil {
		m.err = err
	}
	return changed
}

func (m *sentMapper) mapTexts(path string, texts map[string]string, place func(key string) SecretContext) map[string]string {
	if !anyHasReference(texts) {
		return texts
	}
	changed := make(map[string]string, len(texts))
	for _, key := range slices.Sorted(maps.Keys(texts)) { // in order, so that the first error is always the same
		changed[key] = m.mapText(path+"."+key, place(key), texts[key])
	}
	return changed
}
