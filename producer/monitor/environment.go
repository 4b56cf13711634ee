package monitor

import (
	"errors"
	"strings"

	"vedette/pipeline/job"
)

// expansion is a text with its dollars replaced. In a text that a probe sends,
// something that only looks like a reference, such as the value of a variable, must
// not become one.
type expansion struct {
	*reader

	value value
	done  strings.Builder
	text  strings.Builder // since the last reference
}

// expand replaces ${NAME} and $$. Any other dollar is kept, as regular expressions
// need it. Secret references are kept: the check replaces them.
func (r *reader) expand(v value, literal string) (string, bool) {
	if !strings.Contains(literal, "$") {
		return literal, true
	}
	e := expansion{reader: r, value: v}
	for rest := literal; ; {
		before, after, found := strings.Cut(rest, "$")
		e.text.WriteString(before)
		if !found {
			return e.end(), true
		}
		var ok bool
		if rest, ok = e.expandDollar(after); !ok {
			return "", false
		}
	}
}

// expandDollar adds what a dollar and the text after it stand for, and returns the
// rest.
func (e *expansion) expandDollar(after string) (string, bool) {
	switch {
	case strings.HasPrefix("$"+after, job.ReferenceStart):
		return e.reference("$" + after)
	case strings.HasPrefix(after, "{"):
		return e.variable(after[1:])
	default:
		e.text.WriteByte('$')
		return strings.TrimPrefix(after, "$"), true
	}
}

// variable adds the value of an environment variable.
func (e *expansion) variable(text string) (string, bool) {
	n := nameLength(text)
	if n == 0 || !strings.HasPrefix(text[n:], "}") {
		e.report(e.value, "${ without a name and }", "${NAME}", "write $$ for a dollar")
		return "", false
	}
	name := text[:n]
	found, ok := e.options.LookupEnv(name)
	if !ok {
		e.report(e.value, "${"+name+"}, which is not set", "a variable of the environment",
			"set "+name+", or write $$ for a dollar")
		return "", false
	}
	e.text.WriteString(found)
	return text[n+1:], true
}

// reference adds a secret reference, which is allowed only in what a probe sends.
func (e *expansion) reference(text string) (string, bool) {
	if !e.value.sent {
		e.report(e.value, "a reference to a secret", "a text without one",
			"secrets are for what a probe sends: URLs, headers, bodies, credentials and the like; ${NAME}, of the environment, can stand anywhere")
		return "", false
	}
	name, rest, _, err := job.CutReference(text)
	if err != nil {
		problem, _ := errors.AsType[job.Problem](err)
		e.report(e.value, problem.Found, problem.Expected, "write $$ for a dollar")
		return "", false
	}
	e.done.WriteString(job.EscapeReferences(e.text.String(), true) + job.Reference(name))
	e.text.Reset()
	return rest, true
}

func (e *expansion) end() string {
	if !e.value.sent {
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
