package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/coder/websocket"
	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// maxMessage limits the size of a message.
const maxMessage = 1 << 20

// probeWebSocket upgrades a connection, and exchanges messages if the spec says
// so. Up means that the upgrade succeeded and the expected message arrived.
func (c *Checker) probeWebSocket(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	var t timing
	exchange, err := c.exchangeWebSocket(ctx, spec.WebSocket, &t)
	result := job.ProbeResult{Health: job.Up}
	switch {
	case errors.Is(err, errUnexpected):
		result = downResult(job.ClassExpectation, textAfter(err, errUnexpected))
	case errors.Is(err, errNoUpgrade):
		result = downResult(job.ClassStatus, textAfter(err, errNoUpgrade))
	case err != nil:
		result = failureResult(ctx, err, &t, timeoutOf(spec))
	}
	t.addTo(&result)
	if exchange.response != nil {
		result.Status = exchange.response.StatusCode
		if exchange.response.TLS != nil {
			result.CertificateExpires = certificateExpiry(*exchange.response.TLS)
		}
	}
	if result.Health != job.Up {
		return result, nil
	}
	facts := Facts{"status": result.Status}
	if exchange.matched {
		facts["message"] = exchange.message
	}
	facts.addCertificate(exchange.response.TLS, time.Now())
	return result, facts
}

// errNoUpgrade is wrapped by the error for a response that refuses the upgrade.
var errNoUpgrade = errors.New("no upgrade")

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

// webSocketExchange is the response and the expected message in a check.
type webSocketExchange struct {
	response *http.Response
	message  string
	matched  bool
}

func (c *Checker) exchangeWebSocket(ctx context.Context, w *job.WebSocket, t *timing) (webSocketExchange, error) {
	target, err := parseURLWithScheme(w.URL, "ws", "wss")
	if err != nil {
		return webSocketExchange{}, err
	}
	transport := &stdTransport{c: c, t: t, h: &job.HTTP{URL: w.URL, HTTPVersion: "1.1", TLS: w.TLS, Network: w.Network}}
	defer transport.CloseIdleConnections()
	header := http.Header{"User-Agent": {c.config.UserAgent}}
	for name, value := range w.Headers {
		header.Set(name, value)
	}
	conn, response, err := websocket.Dial( //nolint:bodyclose // closed by the library, or used as the connection
		ctx, target.String(), &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
			HTTPHeader: header, Host: header.Get("Host"),
		})
	found := webSocketExchange{response: response}
	if err != nil {
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("%w: status %d %s, expected 101", errNoUpgrade, response.StatusCode, http.StatusText(response.StatusCode))
		}
		return found, err
	}
	defer func() { _ = conn.CloseNow() }() // without a closing handshake
	conn.SetReadLimit(maxMessage)
	t.enter(inProcessing)
	if w.Send != "" {
		if err := conn.Write(ctx, websocket.MessageText, []byte(w.Send)); err != nil {
			return found, err
		}
	}
	if w.Expect != "" {
		found.message, err = awaitMatch(ctx, conn, w.Expect)
		found.matched = err == nil
	}
	if err == nil {
		t.done()
	}
	return found, err
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
			return "", fmt.Errorf("%w: expected %q, found %q, then the end", errUnexpected, expect, truncate([]byte(last)))
		case err != nil:
			return "", err
		case expression.Match(message):
			return string(message), nil
		}
		last = string(message)
	}
}
