package monitor

import (
	"fmt"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// spec reads what a monitor checks and expects.
func (w *watch) spec(m mapping) job.Spec {
	var spec job.Spec
	http, hasHTTP := w.get(m, job.KindHTTP)
	tcp, hasTCP := w.get(m, job.KindTCP)
	switch {
	case hasHTTP && hasTCP:
		w.report(m.value, "http and tcp", "exactly one probe: http or tcp", "")
	case !hasHTTP && !hasTCP:
		w.report(m.value, "no probe", "exactly one probe: http or tcp", "")
	}
	if hasHTTP {
		spec.HTTP = w.http(http)
	}
	if hasTCP {
		spec.TCP = w.tcp(tcp)
	}
	spec.Expect = w.expect(m)
	return spec
}

const aURL = "a URL such as https://example.org/health"

// maxRedirects bounds how far a check may be sent around.
const maxRedirects = 100

// http reads the http probe: a URL, or a mapping with it.
func (w *watch) http(v value) *job.HTTP {
	if _, short := v.literal(); short {
		return &job.HTTP{URL: w.url(v)}
	}
	m, ok := w.mapping(v, aURL+", or a mapping with url", "url", "method", "headers", "body", "max_redirects")
	if !ok {
		return nil
	}
	probe := &job.HTTP{}
	if v, ok := w.must(m, "url", aURL); ok {
		probe.URL = w.url(v)
	}
	if v, ok := w.get(m, "method"); ok {
		probe.Method = w.method(v)
	}
	if v, ok := w.get(m, "headers"); ok {
		probe.Headers = w.headers(v)
	}
	if v, ok := w.get(m, "body"); ok {
		probe.Body, _ = w.text(v, "text")
	}
	if v, ok := w.get(m, "max_redirects"); ok {
		if number, ok := w.integer(v, 0, maxRedirects); ok {
			probe.MaxRedirects = &number
		}
	}
	return probe
}

// url reads an absolute URL of scheme http or https.
func (w *watch) url(v value) string {
	text, ok := w.filled(v, aURL)
	if !ok {
		return ""
	}
	parsed, err := url.Parse(text)
	hint := ""
	switch {
	case err == nil && parsed.Host != "" && (parsed.Scheme == "http" || parsed.Scheme == "https") && goodHost(parsed):
		return text
	case !strings.Contains(text, "://") && w.safe(v):
		hint = fmt.Sprintf("did you mean %s?", quote("https://"+text))
	}
	w.wrongHint(v, aURL, hint)
	return ""
}

func goodHost(u *url.URL) bool {
	if u.Hostname() == "" || strings.ContainsAny(u.Hostname(), " \t") {
		return false
	}
	if u.Port() == "" {
		return true
	}
	port, err := strconv.Atoi(u.Port())
	return err == nil && port >= 1 && port <= maxPort
}

// method reads a method. RFC 9110, section 9.1, takes any token and tells
// upper case from lower; a method in lower case is a slip.
func (w *watch) method(v value) string {
	const expected = "an HTTP method such as GET or HEAD"
	method, ok := w.filled(v, expected)
	if !ok {
		return ""
	}
	upper := strings.ToUpper(method)
	if !isToken(method) || method != upper {
		hint := ""
		if isToken(method) && w.safe(v) {
			hint = fmt.Sprintf("did you mean %s?", quote(upper))
		}
		w.wrongHint(v, expected, hint)
		return ""
	}
	return method
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// headers reads header names and values, which may hold secrets: no value is
// ever shown.
func (w *watch) headers(v value) map[string]string {
	m, ok := w.mapping(v, "header names with their values")
	if !ok {
		return nil
	}
	headers := make(map[string]string, len(m.fields))
	lines := make(map[string]int, len(m.fields))
	for _, f := range m.fields {
		key, canonical := m.keyOf(f), textproto.CanonicalMIMEHeaderKey(f.key)
		if line, twice := lines[canonical]; twice {
			w.report(key, quote(f.key)+" again", fmt.Sprintf("the one of line %d alone", line), "case does not tell headers apart")
		}
		lines[canonical] = f.line
		if !isToken(f.key) {
			w.report(key, "header name "+quote(f.key), "letters, digits and -", "")
		}
		value := w.valueOf(m, f)
		value.secret = true
		text, ok := w.text(value, "text")
		if ok && strings.ContainsAny(text, "\r\n\x00") {
			w.report(value, "a line break or a zero byte in the value", "one line", "")
		}
		headers[f.key] = text
	}
	return headers
}

// tcp reads the tcp probe: an address, or a mapping with it.
func (w *watch) tcp(v value) *job.TCP {
	if _, short := v.literal(); short {
		return &job.TCP{Address: w.hostPort(v, 1)}
	}
	m, ok := w.mapping(v, "host:port, or a mapping with address", "address")
	if !ok {
		return nil
	}
	probe := &job.TCP{}
	if v, ok := w.must(m, "address", "host:port"); ok {
		probe.Address = w.hostPort(v, 1)
	}
	return probe
}

// expect reads the expectations: one, or a list.
func (w *watch) expect(m mapping) []string {
	const expected = "an expression such as 'status == 200'"
	v, ok := w.get(m, "expect")
	if !ok {
		return nil
	}
	items, ok := w.list(v, expected+", or a list of them", true)
	if !ok {
		return nil
	}
	expressions := make([]string, 0, len(items))
	for _, item := range items {
		expression, _ := w.filled(item, expected)
		expressions = append(expressions, expression)
	}
	return expressions
}

// checkExpect asks those who know expressions about them.
func (w *watch) checkExpect(m mapping, spec job.Spec) {
	if w.options.CheckExpect == nil {
		return
	}
	for _, problem := range w.options.CheckExpect(spec) {
		at, _ := w.get(m, "expect")
		if problem.Index >= 0 {
			if items, ok := w.list(at, "", true); ok && problem.Index < len(items) {
				at = items[problem.Index]
			}
		} else if kind, err := spec.Kind(); err == nil {
			at, _ = w.get(m, kind)
		}
		w.reportExpect(at, problem.Message)
	}
}

// reportExpect splits a message of the form "found …, expected …", and takes
// any other for what was found. A message may quote a value, so one about a
// value from the environment is not passed on.
func (w *watch) reportExpect(at value, message string) {
	if !w.safe(at) {
		w.report(at, "a value that the check refuses", "one that it takes", "the value of the variable is not shown")
		return
	}
	found, expected, ok := cutLast(strings.TrimPrefix(message, "found "), ", expected ")
	if ok {
		w.report(at, found, expected, "")
		return
	}
	w.report(at, at.describe()+" ("+message+")", "an expression that can be evaluated", "")
}
