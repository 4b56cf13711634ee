package monitor

import (
	"errors"
	"strings"

	"vedette/pipeline/job"
)

// expand replaces ${NAME} and $$. Any other dollar is kept, as regular expressions
// need it. Secret references are kept: the check replaces them.
func (r *reader) expand(v value, literal string) (string, bool) {
	if !strings.Contains(literal, "$") {
		return literal, true
	}
	e := expansion{sent: v.sent}
	for rest := literal; ; {
		before, after, found := strings.Cut(rest, "$")
		e.text.WriteString(before)
		if !found {
			return e.end(), true
		}
		var ok bool
		if rest, ok = r.expandDollar(v, after, &e); !ok {
			return "", false
		}
	}
}

// expandDollar adds what a dollar and the text after it stand for, and returns the
// rest.
func (r *reader) expandDollar(v value, after string, to *expansion) (string, bool) {
	switch {
	case strings.HasPrefix(after, "$"):
		to.text.WriteByte('$')
		return after[1:], true
	case strings.HasPrefix("$"+after, job.ReferenceStart):
		return r.reference(v, "$"+after, to)
	case strings.HasPrefix(after, "{"):
		return r.variable(v, after[1:], to)
	default:
		to.text.WriteByte('$')
		return after, true
	}
}

// variable adds the value of an environment variable.
func (r *reader) variable(v value, text string, to *expansion) (string, bool) {
	n := nameLength(text)
	if n == 0 || !strings.HasPrefix(text[n:], "}") {
		r.report(v, "${ without a name and }", "${NAME}", "write $$ for a dollar")
		return "", false
	}
	name := text[:n]
	found, ok := r.options.LookupEnv(name)
	if !ok {
		r.report(v, "${"+name+"}, which is not set", "a variable of the environment",
			"set "+name+", or write $$ for a dollar")
		return "", false
	}
	to.text.WriteString(found)
	return text[n+1:], true
}

// reference adds a secret reference, which is allowed only in what a probe sends.
func (r *reader) reference(v value, text string, to *expansion) (string, bool) {
	if !v.sent {
		r.report(v, "a reference to a secret", "a text without one",
			"secrets are for what a probe sends: URLs, headers, bodies, credentials and the like; ${NAME}, of the environment, can stand anywhere")
		return "", false
	}
	name, rest, _, err := job.CutReference(text)
	if err != nil {
		problem, _ := errors.AsType[job.Problem](err)
		r.report(v, problem.Found, problem.Expected, "write $$ for a dollar")
		return "", false
	}
	to.refer(name)
	return rest, true
}

// expansion is a text with its dollars replaced. In a text that a probe sends,
// something that only looks like a reference, such as the value of a variable, must
// not become one.
type expansion struct {
	sent bool
	done strings.Builder
	text strings.Builder // since the last reference
}

func (e *expansion) refer(name string) {
	e.done.WriteString(job.EscapeReferences(e.text.String(), true) + job.Reference(name))
	e.text.Reset()
}

func (e *expansion) end() string {
	if !e.sent {
		return e.text.String()
	}
	return e.done.String() + job.EscapeReferences(e.text.String(), false)
}

// withoutReferences replaces each reference by a word, so that the rest can be
// validated. The references are well formed.
func withoutReferences(text string) string {
	plain, err := job.ExpandReferences(text, func(string) (string, error) { return "secret", nil })
	if err != nil {
		return text
	}
	return plain
}
