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
)

// spec reads what a monitor checks and expects. What a probe takes is read from
// the fields of its struct: see fields.go.
func (c *collector) spec(m mapping) job.Spec {
	var spec job.Spec
	probes := reflect.ValueOf(&spec).Elem()
	var found []string
	for _, f := range c.fieldsOf(probes.Type()) {
		if !slices.Contains(c.kinds, f.name) {
			continue
		}
		if v, ok := m.get(f.name); ok {
			found = append(found, f.name)
			c.field(v, f, probes.FieldByIndex(f.index))
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
	if v, ok := m.get("negate"); ok {
		spec.Negate = c.boolean(v)
	}
	return spec
}

// oneOfWords lists words as a sentence does.
func oneOfWords(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

const aURL = "a URL such as https://example.org/health"

// url reads a URL of scheme http or https, in any case; without a scheme it is
// http.
func (c *collector) url(v value) string {
	text, ok := c.filled(v, aURL)
	if !ok {
		return ""
	}
	whole := withoutReferences(text)
	if !strings.Contains(whole, "://") {
		whole = "http://" + whole
	}
	parsed, err := url.Parse(whole)
	if err != nil || !strings.EqualFold(parsed.Scheme, "http") && !strings.EqualFold(parsed.Scheme, "https") || !goodHost(parsed) {
		c.wrong(v, aURL)
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

// method reads a method. RFC 9110, section 9.1, takes any token and tells
// upper case from lower; a method in lower case is a slip.
func (c *collector) method(v value) string {
	const expected = "an HTTP method such as GET or HEAD"
	method, ok := c.filled(v, expected)
	if !ok {
		return ""
	}
	upper := strings.ToUpper(method)
	if !isToken(method) || method != upper {
		hint := ""
		if isToken(method) && v.safe() {
			hint = fmt.Sprintf("did you mean %s?", quote(upper))
		}
		c.wrongHint(v, expected, hint)
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
func (c *collector) headers(v value) map[string]string {
	m, ok := c.mapping(v, "header names with their values")
	if !ok {
		return nil
	}
	headers := make(map[string]string, len(m.fields))
	lines := make(map[string]int, len(m.fields))
	for _, f := range m.fields {
		key, canonical := m.keyOf(f), textproto.CanonicalMIMEHeaderKey(f.key)
		if line, twice := lines[canonical]; twice {
			c.report(key, quote(f.key)+" again", fmt.Sprintf("the one of line %d alone", line), "case does not tell headers apart")
		}
		lines[canonical] = f.line
		if !isToken(f.key) {
			c.report(key, "header name "+quote(f.key), "letters, digits and -", "")
		}
		value := m.valueOf(f)
		value.secret, value.sent = true, v.sent
		text, ok := c.text(value, "text")
		if ok && strings.ContainsAny(text, "\r\n\x00") {
			c.report(value, "a line break or a zero byte in the value", "one line", "")
		}
		headers[f.key] = text
	}
	return headers
}

// expressions reads the expressions of a field: one, or a list.
func (c *collector) expressions(m mapping, field string) []string {
	const expected = "an expression such as 'status == 200'"
	v, ok := m.get(field)
	if !ok {
		return nil
	}
	items, ok := c.list(v, expected+", or a list of them", true)
	if !ok {
		return nil
	}
	expressions := make([]string, 0, len(items))
	for _, item := range items {
		expression, _ := c.filled(item, expected)
		expressions = append(expressions, expression)
	}
	return expressions
}

// checkSpec asks those who make checks about a spec.
func (c *collector) checkSpec(m mapping, spec job.Spec) {
	if c.options.CheckSpec == nil {
		return
	}
	for _, problem := range c.options.CheckSpec(spec) {
		c.reportSpec(c.at(m, problem.Path), problem)
	}
}

// at finds the value that a path leads to, such as http.url or expect[1]; what
// is not written there stands where its mapping does.
func (c *collector) at(m mapping, path string) value {
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

// reportSpec reports a mistake in a spec. It may quote a value, so that for a value
// from the environment it is not passed on.
func (c *collector) reportSpec(at value, p job.Problem) {
	if !at.safe() {
		c.report(at, "a value that the check refuses", "one that it takes", "the value of the variable is not shown")
		return
	}
	c.report(at, maskURL(p.Found), p.Expected, "")
}
