package watchdog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Target is a URL that is pinged. URL, FailURL and the values of Headers may have
// secret references.
type Target struct {
	URL string
	// FailURL gets what is wrong; without one, nothing is sent then.
	FailURL string
	// Interval is the time between two pings, Timeout the limit for one.
	Interval, Timeout time.Duration
	Method            string
	Headers           map[string]string
}

// pingError is why a ping was not accepted. Its text has no secret.
type pingError struct {
	reason job.ProcessConditionReason
	host   string
	cause  string
}

func (e *pingError) Error() string {
	if e.host == "" {
		return e.cause
	}
	return e.host + ": " + e.cause
}

// pinger sends pings.
type pinger struct {
	client *http.Client
	secret func(name string) (string, error)
}

// newPinger returns a pinger. Each ping has a connection of its own: one in a minute
// gains nothing from an old one, which may be broken.
func newPinger(secret func(name string) (string, error)) *pinger {
	return &pinger{secret: secret, client: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it would lose the body
	}}
}

// ping sends a verdict. The error is a [*pingError].
func (p *pinger) ping(ctx context.Context, t Target, v verdict) error {
	address, body := t.URL, v.body()
	if len(v.lines) > 0 {
		if address = t.FailURL; address == "" {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	request, err := p.request(ctx, t, address, body)
	if err != nil {
		return &pingError{reason: job.FaultPingFailed, cause: err.Error()}
	}
	response, err := p.client.Do(request)
	if err != nil {
		return &pingError{reason: job.FaultPingFailed, host: request.URL.Host, cause: withoutURL(ctx, err, t.Timeout)}
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, 1<<10) // what it says does not matter
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return &pingError{reason: job.FaultPingRefused, host: request.URL.Host, cause: "the answer was " + response.Status}
	}
	return nil
}

func (p *pinger) request(ctx context.Context, t Target, address, body string) (*http.Request, error) {
	address, err := p.expand(address)
	if err != nil {
		return nil, err
	}
	var content io.Reader = http.NoBody
	if t.Method != http.MethodGet {
		content = bytes.NewReader([]byte(body))
	}
	request, err := http.NewRequestWithContext(ctx, t.Method, address, content)
	if err != nil || request.URL.Host == "" {
		return nil, errors.New("the URL is invalid") // and may have a secret
	}
	request.Header.Set("User-Agent", "vedette")
	if t.Method != http.MethodGet {
		request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	for name, value := range t.Headers {
		if value, err = p.expand(value); err != nil {
			return nil, err
		}
		request.Header.Set(name, value)
		if strings.EqualFold(name, "Host") {
			request.Host = value
		}
	}
	return request, nil
}

// expand replaces secret references.
func (p *pinger) expand(text string) (string, error) {
	if !job.HasReference(text) {
		return text, nil
	}
	if p.secret == nil {
		return "", errors.New("this process has no secrets")
	}
	return job.ExpandReferences(text, func(name string) (string, error) {
		value, err := p.secret(name)
		return strings.TrimSpace(value), err
	})
}

// withoutURL is the cause in an error, without the URL, which may have a secret.
func withoutURL(ctx context.Context, err error, timeout time.Duration) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", timeout)
	}
	return err.Error()
}
