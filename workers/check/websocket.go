package check

import (
	"context"
	"fmt"
	"net/http"
	"regexp"

	"github.com/coder/websocket"
	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// maxMessage limits the size of a message.
const maxMessage = 1 << 20

// probeWebSocket upgrades a connection, and exchanges messages if the spec says
// so. Up means that the upgrade succeeded and the expected message arrived.
func probeWebSocket(ctx context.Context, a *attempt) (Facts, error) {
	w := a.spec.WebSocket
	conn, err := a.upgrade(ctx, w)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.CloseNow() }() // without a closing handshake
	conn.SetReadLimit(maxMessage)
	a.enter(inProcessing)
	if w.Send != "" {
		if err := conn.Write(ctx, websocket.MessageText, []byte(w.Send)); err != nil {
			return nil, err
		}
	}
	facts := Facts{"status": a.status}
	if w.Expect != "" {
		if facts["message"], err = awaitMatch(ctx, conn, w.Expect); err != nil {
			return nil, err
		}
	}
	a.done()
	return facts, nil
}

func webSocketFacts() map[string]*cel.Type {
	return map[string]*cel.Type{"status": cel.IntType, "message": cel.StringType, "certificate": certificateType()}
}

func validateWebSocket(spec job.Spec, p *problems) {
	w := spec.WebSocket
	_, err := parseURLWithScheme(w.URL, "ws", "wss")
	p.check("url", err)
	if _, err := regexp.Compile(w.Expect); err != nil {
		p.add("expect", fmt.Sprintf("%q (%v)", w.Expect, err), "a regular expression in RE2 syntax")
	}
	validateHeaders(w.Headers, "headers", p)
	validateNetwork(w.Network, p)
	validateNestedTLS(w.TLS, p)
}

// upgrade opens a connection.
func (a *attempt) upgrade(ctx context.Context, w *job.WebSocket) (*websocket.Conn, error) {
	target, err := parseURLWithScheme(w.URL, "ws", "wss")
	if err != nil {
		return nil, err
	}
	transport := &stdTransport{attempt: a, h: &job.HTTP{URL: w.URL, HTTPVersion: "1.1", TLS: w.TLS, Network: w.Network}}
	defer transport.CloseIdleConnections()
	header := http.Header{"User-Agent": a.c.userAgent}
	for name, value := range w.Headers {
		header.Set(name, value)
	}
	conn, response, err := websocket.Dial( //nolint:bodyclose // closed by the library, or used as the connection
		ctx, target.String(), &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
			HTTPHeader: header, Host: header.Get("Host"),
		})
	if response != nil {
		a.status, a.tls = response.StatusCode, response.TLS
		if err != nil && a.status != http.StatusSwitchingProtocols {
			err = failed(job.ClassStatus, "status %d %s, expected 101", a.status, http.StatusText(a.status))
		}
	}
	return conn, err
}

// awaitMatch reads messages until one matches.
func awaitMatch(ctx context.Context, conn *websocket.Conn, expect string) (string, error) {
	expression, err := regexp.Compile(expect)
	if err != nil {
		return "", newLocalError("expect", err)
	}
	last := ""
	for {
		_, message, err := conn.Read(ctx)
		switch {
		case err != nil && last != "" && ctx.Err() == nil:
			return "", failed(job.ClassExpectation, "expected %q, found %q, then the end", expect, truncate([]byte(last)))
		case err != nil:
			return "", err
		case expression.Match(message):
			return string(message), nil
		}
		last = string(message)
	}
}
