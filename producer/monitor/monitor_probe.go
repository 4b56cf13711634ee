package monitor

import (
	"fmt"
	"net/textproto"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"vedette/pipeline/job"
	"vedette/pipeline/redact"
)

// probeReader reads the probe of a monitor.
type probeReader struct{ *collector }

// readSpec reads the probe and the expectations.
func (c probeReader) readSpec(m mapping) job.Spec {
	var spec job.Spec
	probes := reflect.ValueOf(&spec).Elem()
	var found []string
	for _, f := range c.fieldsOf(probes.Type()) {
		if !slices.Contains(c.kinds, f.name) {
			continue
		}
		if v, ok := m.get(f.name); ok {
			found = append(found, f.name)
			c.probeValue(v, f, probes.FieldByIndex(f.index))
		}
	}
	if len(found) != 1 {
		what := "no probe"
		if len(found) > 1 {
			what = strings.Join(found, " and ")
		}
		c.report(m.value, what, "exactly one probe: "+oneOfWords(job.Kinds()), "")
	}
	spec.Expect = c.expressions(m, "expect")
	spec.Warn = c.expressions(m, "warn")
	c.setBoolean(m, "negate", &spec.Negate)
	return spec
}

// oneOfWords joins words as in a sentence.
func oneOfWords(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

const aURL = "a URL such as https://example.org/health"

// httpURL reads a URL with the scheme http or https, which defaults to http.
func (c probeReader) httpURL(v value) string {
	text, ok := c.nonEmpty(v, aURL)
	if !ok {
		return ""
	}
	whole := withoutReferences(text)
	if !strings.Contains(whole, "://") {
		whole = "http://" + whole
	}
	parsed, err := url.Parse(whole)
	if err != nil || !strings.EqualFold(parsed.Scheme, "http") && !strings.EqualFold(parsed.Scheme, "https") || !goodHost(parsed) {
		c.reject(v, aURL)
		return ""
	}
	return text
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

// httpMethod reads a method. Methods are case-sensitive (RFC 9110, section 9.1), so
// one in lower case is reported as a slip.
func (c probeReader) httpMethod(v value) string {
	const expected = "an HTTP method such as GET or HEAD"
	method, ok := c.nonEmpty(v, expected)
	if !ok {
		return ""
	}
	upper := strings.ToUpper(method)
	if !isToken(method) || method != upper {
		hint := ""
		if isToken(method) && v.safe() {
			hint = fmt.Sprintf("did you mean %s?", quote(upper))
		}
		c.rejectWithHint(v, expected, hint)
		return ""
	}
	return method
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// headers reads header names and values. Values may hold secrets and are never
// shown.
func (r *reader) headers(v value) map[string]string {
	m, ok := r.mapping(v, "header names with their values")
	if !ok {
		return nil
	}
	headers := make(map[string]string, len(m.fields))
	lines := make(map[string]int, len(m.fields))
	for _, f := range m.fields {
		key, canonical := m.keyOf(f), textproto.CanonicalMIMEHeaderKey(f.key)
		if line, twice := lines[canonical]; twice {
			r.report(key, quote(f.key)+" again", fmt.Sprintf("the one of line %d alone", line), "header names ignore case")
		}
		lines[canonical] = f.line
		if !isToken(f.key) {
			r.report(key, "header name "+quote(f.key), "letters, digits and -", "")
		}
		value := m.valueOf(f)
		value.secret, value.sent = true, v.sent
		text, ok := r.readText(value, "text")
		if ok && strings.ContainsAny(text, "\r\n\x00") {
			r.report(value, "a line break or a zero byte in the value", "one line", "")
		}
		headers[f.key] = text
	}
	return headers
}

// expressions reads one expression, or a list.
func (c probeReader) expressions(m mapping, field string) []string {
	return c.texts(m, field, "an expression such as 'status == 200'", func(string) bool { return true })
}

// checkSpec reports what CheckSpec finds.
func (c probeReader) checkSpec(m mapping, spec job.Spec) {
	if c.options.CheckSpec == nil {
		return
	}
	for _, problem := range c.options.CheckSpec(spec) {
		c.reportSpec(c.at(m, problem.Path), problem)
	}
}

// at returns the value at a path such as http.url or expect[1], or the mapping where
// it is missing.
func (c probeReader) at(m mapping, path string) value {
	v := m.value
	for part := range strings.SplitSeq(path, ".") {
		name, index, listed := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		if !v.isMapping() {
			return v // a probe in its short form
		}
		found, ok := mappingOf(v).get(name)
		if !ok {
			return v
		}
		v = found
		if !listed {
			continue
		}
		place, err := strconv.Atoi(index)
		if items, ok := c.list(v, "", true); err == nil && ok && place < len(items) {
			v = items[place]
		}
	}
	return v
}

// reportSpec reports a mistake in a spec. The mistake may quote the value, so it is
// withheld if the value comes from the environment.
func (c probeReader) reportSpec(at value, p job.Problem) {
	if !at.safe() {
		c.report(at, "a value that the check refuses", "one that it takes", "the value of the variable is not shown")
		return
	}
	c.report(at, redact.URLs(p.Found), p.Expected, "")
}
