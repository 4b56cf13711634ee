package job

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Place says in what part of what a probe sends a text stands, and so what may
// stand in it.
type Place string

// The places, and how a secret is put into them.
const (
	PlaceURL       Place = "URL"             // percent-encoded
	PlaceHeader    Place = "header"          // as it is, one line
	PlaceUsername  Place = "username"        // one line without a colon, RFC 7617
	PlaceMetadata  Place = "metadata"        // printable ASCII
	PlaceBody      Place = "body"            // as it is, anything
	PlaceMessage   Place = "text message"    // UTF-8, RFC 6455
	PlaceDialogue  Place = "dialogue"        // one line; a percent sign is one
	PlaceBinary    Place = "binary metadata" // as it is, anything
	binaryMetadata       = "-bin"
)

// SentText is a text that a probe sends.
type SentText struct {
	// Path leads to it, below the probe: "headers.X-Key", "dialogue[1].send".
	Path  string
	Place Place
	Text  string
}

// MayRefer reports whether anything that the probe sends may hold a reference
// to a secret. It costs a few nanoseconds, since it is asked at each check.
func (s Spec) MayRefer() bool {
	switch {
	case s.HTTP != nil:
		return s.HTTP.mayRefer()
	case s.TCP != nil:
		return slices.ContainsFunc(s.TCP.Dialogue, func(step Step) bool { return MayRefer(step.Send) })
	case s.GRPC != nil:
		return anyMayRefer(s.GRPC.Metadata)
	case s.WebSocket != nil:
		w := s.WebSocket
		return MayRefer(w.URL) || MayRefer(w.Send) || anyMayRefer(w.Headers)
	default:
		return false
	}
}

func (h *HTTP) mayRefer() bool {
	return MayRefer(h.URL) || MayRefer(h.BearerToken) || MayRefer(h.Body) || MayRefer(h.Proxy) || anyMayRefer(h.Headers) ||
		h.BasicAuth != nil && (MayRefer(h.BasicAuth.Username) || MayRefer(h.BasicAuth.Password))
}

func anyMayRefer(texts map[string]string) bool {
	for _, text := range texts {
		if MayRefer(text) {
			return true
		}
	}
	return false
}

// Secrets are the names of the secrets that the probe refers to, each once, in
// order. Malformed references are left out.
func (s Spec) Secrets() []string {
	if !s.MayRefer() {
		return nil
	}
	names := map[string]bool{}
	_, _ = s.MapSent(func(sent SentText) (string, error) {
		_, err := Expand(sent.Text, func(name string) (string, error) { names[name] = true; return "", nil })
		return "", err
	})
	return slices.Sorted(maps.Keys(names))
}

// MapSent returns a copy of the spec in which each text that may hold a
// reference is what change returns for it. All of them are gone through; the
// error is the first of change's.
func (s Spec) MapSent(change func(SentText) (string, error)) (Spec, error) {
	m := &sentMapper{change: change}
	switch {
	case s.HTTP != nil:
		s.HTTP = m.http(*s.HTTP)
	case s.TCP != nil:
		s.TCP = m.tcp(*s.TCP)
	case s.GRPC != nil:
		g := *s.GRPC
		g.Metadata = m.texts("metadata", g.Metadata, placeOfMetadata)
		s.GRPC = &g
	case s.WebSocket != nil:
		s.WebSocket = m.webSocket(*s.WebSocket)
	}
	return s, m.err
}

type sentMapper struct {
	change func(SentText) (string, error)
	err    error
}

func (m *sentMapper) http(h HTTP) *HTTP {
	h.URL = m.text("url", PlaceURL, h.URL)
	h.Headers = m.texts("headers", h.Headers, placeOfHeader)
	h.Body = m.text("body", PlaceBody, h.Body)
	if h.BasicAuth != nil {
		h.BasicAuth = &BasicAuth{
			Username: m.text("basic_auth.username", PlaceUsername, h.BasicAuth.Username),
			Password: m.text("basic_auth.password", PlaceHeader, h.BasicAuth.Password),
		}
	}
	h.BearerToken = m.text("bearer_token", PlaceHeader, h.BearerToken)
	h.Proxy = m.text("proxy", PlaceURL, h.Proxy)
	return &h
}

func (m *sentMapper) tcp(t TCP) *TCP {
	t.Dialogue = slices.Clone(t.Dialogue)
	for i := range t.Dialogue {
		t.Dialogue[i].Send = m.text("dialogue["+strconv.Itoa(i)+"].send", PlaceDialogue, t.Dialogue[i].Send)
	}
	return &t
}

func (m *sentMapper) webSocket(w WebSocket) *WebSocket {
	w.URL = m.text("url", PlaceURL, w.URL)
	w.Headers = m.texts("headers", w.Headers, placeOfHeader)
	w.Send = m.text("send", PlaceMessage, w.Send)
	return &w
}

func placeOfHeader(string) Place { return PlaceHeader }

// placeOfMetadata knows that gRPC encodes what belongs to a key of a certain
// ending.
func placeOfMetadata(key string) Place {
	if strings.HasSuffix(strings.ToLower(key), binaryMetadata) {
		return PlaceBinary
	}
	return PlaceMetadata
}

func (m *sentMapper) text(path string, place Place, text string) string {
	if !MayRefer(text) {
		return text
	}
	changed, err := m.change(SentText{Path: path, Place: place, Text: text})
	if m.err == nil {
		m.err = err
	}
	return changed
}

func (m *sentMapper) texts(path string, texts map[string]string, place func(key string) Place) map[string]string {
	if !anyMayRefer(texts) {
		return texts
	}
	changed := make(map[string]string, len(texts))
	for _, key := range slices.Sorted(maps.Keys(texts)) { // in order, so that the first error is always the same
		changed[key] = m.text(path+"."+key, place(key), texts[key])
	}
	return changed
}
