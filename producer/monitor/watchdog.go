package monitor

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Watchdog is a URL that is pinged while the installation works. URL, FailURL and the
// values of Headers may have secret references.
type Watchdog struct {
	URL string
	// FailURL gets what is wrong. Empty means that there is none: then nothing is
	// sent.
	FailURL string
	// Interval is the time between two pings, Timeout the limit for one.
	Interval, Timeout time.Duration
	// Method is POST, PUT or GET. GET has no body.
	Method  string
	Headers map[string]string
}

// Defaults for a watchdog.
const (
	defaultPingInterval = time.Minute
	defaultPingTimeout  = 10 * time.Second
	defaultPingMethod   = "POST"
	failSuffix          = "/fail"
	noFailURL           = "none"
	// maxPingInterval keeps a missing ping worth something.
	maxPingInterval = 24 * time.Hour
)

// watchdogReader reads the section watchdog.
type watchdogReader struct{ *reader }

func (r watchdogReader) readWatchdogs(root mapping) []Watchdog {
	v, ok := section(root, "watchdog")
	if !ok {
		return nil
	}
	var watchdogs []Watchdog
	var items []value
	if items = []value{v}; !v.isMapping() {
		items, _ = r.list(v, "a list of watchdogs", true)
	}
	lines := map[string]int{}
	for _, item := range items {
		w, at := r.readWatchdog(item)
		if line, twice := lines[w.URL]; twice && w.URL != "" {
			r.report(at, "the URL again", fmt.Sprintf("a URL of its own, unlike the one in line %d", line), "")
		}
		lines[w.URL] = item.line
		watchdogs = append(watchdogs, w)
	}
	return watchdogs
}

const aWatchdogURL = "a URL with the scheme http or https"

// readWatchdog reads a watchdog, whose text form is its URL, and returns the place of
// the URL.
func (r watchdogReader) readWatchdog(v value) (Watchdog, value) {
	w := Watchdog{Interval: defaultPingInterval, Timeout: defaultPingTimeout, Method: defaultPingMethod}
	if _, text := v.literal(); text {
		w.URL = r.url(v)
		w.FailURL = failURL(w.URL)
		return w, v
	}
	m, ok := r.mapping(v, "a watchdog such as {url: https://hc-ping.com/ID}", r.keys["watchdog[]"]...)
	if !ok {
		return w, v
	}
	at, ok := r.required(m, "url", aWatchdogURL)
	if ok {
		w.URL = r.url(at)
		w.FailURL = failURL(w.URL)
	}
	if fail, ok := m.get("fail_url"); ok {
		if literal, _ := fail.literal(); literal == noFailURL {
			w.FailURL = ""
		} else {
			w.FailURL = r.url(fail)
		}
	}
	if method, ok := m.get("method"); ok {
		w.Method = r.word(method, []string{"POST", "PUT", "GET"}, strings.ToUpper)
	}
	if headers, ok := m.get("headers"); ok {
		headers.sent = true
		w.Headers = r.headers(headers)
	}
	r.times(m, &w)
	return w, at
}

// times reads interval and timeout. A timeout that the file does not set is lowered to
// the interval.
func (r watchdogReader) times(m mapping, w *Watchdog) {
	if v, ok := m.get("interval"); ok {
		if d, ok := r.duration(v); ok {
			w.Interval = d
		}
		if w.Interval < time.Second || w.Interval > maxPingInterval {
			r.report(v, v.written(), "a duration from 1s to "+formatDuration(maxPingInterval), "")
		}
	}
	v, ok := m.get("timeout")
	if !ok {
		w.Timeout = min(w.Timeout, w.Interval)
		return
	}
	if d, ok := r.duration(v); ok {
		w.Timeout = d
	}
	if w.Timeout > w.Interval {
		r.report(v, v.written(), "at most the interval, "+formatDuration(w.Interval), "")
	}
}

// url reads a URL, which may have secret references.
func (r watchdogReader) url(v value) string {
	v.sent = true
	text, ok := r.nonEmpty(v, aWatchdogURL)
	if !ok {
		return ""
	}
	plain, err := job.ExpandReferences(text, func(string) (string, error) { return "secret", nil })
	if err != nil || strings.HasPrefix(text, job.ReferenceStart) {
		return text // the secret is the whole URL; a malformed reference was reported
	}
	parsed, err := url.Parse(plain)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
		hint := ""
		if err == nil && parsed.Scheme == "" || strings.Contains(plain, "://") && parsed != nil && parsed.Host == "" {
			hint = "such as https://hc-ping.com/ID, or http://HOST:8080/ping/TOKEN of another Vedette"
		}
		r.rejectWithHint(v, aWatchdogURL, hint)
		return ""
	}
	return text
}

// failURL returns the URL with /fail at the end of its path, as healthchecks.io and
// Vedette have it.
func failURL(text string) string {
	if text == "" {
		return ""
	}
	end := strings.IndexAny(text, "?#")
	if end < 0 {
		end = len(text)
	}
	return strings.TrimSuffix(text[:end], "/") + failSuffix + text[end:]
}
