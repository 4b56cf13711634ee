package check

import (
	"fmt"
	"net/http"
	"strings"

	"vedette/pipeline/job"
)

// Problem is something wrong with a spec. Index is that of the expectation, or
// -1 when it is the probe.
type Problem struct {
	Index   int
	Message string
}

// Validator validates specs. It remembers the expressions that it has seen.
type Validator struct {
	programs *programs
}

// NewValidator makes a validator.
func NewValidator() (*Validator, error) {
	programs, err := newPrograms()
	if err != nil {
		return nil, fmt.Errorf("make validator: %w", err)
	}
	return &Validator{programs: programs}, nil
}

// Validate finds everything that is wrong with a spec, so that it can be told
// to whoever writes it instead of being found out at each check.
func (v *Validator) Validate(spec job.Spec) []Problem {
	kind, err := spec.Kind()
	if err != nil {
		return []Problem{{-1, err.Error()}}
	}
	var problems []Problem
	add := func(format string, args ...any) {
		problems = append(problems, Problem{-1, fmt.Sprintf(format, args...)})
	}
	if spec.Timeout < 0 {
		add("found timeout %s, expected none below 0s", spec.Timeout)
	}
	if spec.HTTP != nil {
		for _, problem := range httpProblems(spec.HTTP) {
			add("%s", problem)
		}
	}
	if spec.TCP != nil {
		if err := checkAddress(spec.TCP.Address); err != nil {
			add("%v", err)
		}
	}
	for i, expression := range spec.Expect {
		if _, err := v.programs.get(kind, expression); err != nil {
			problems = append(problems, Problem{i, err.Error()})
		}
	}
	return problems
}

func httpProblems(h *job.HTTP) []string {
	var problems []string
	if _, err := parseURL(h.URL); err != nil {
		problems = append(problems, err.Error())
	}
	if strings.ContainsFunc(h.Method, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		problems = append(problems, fmt.Sprintf("found method %q, expected capital letters such as GET", h.Method))
	}
	if h.MaxRedirects != nil && (*h.MaxRedirects < 0 || *h.MaxRedirects > 100) {
		problems = append(problems, fmt.Sprintf("found max_redirects %d, expected 0 to 100", *h.MaxRedirects))
	}
	for name, value := range h.Headers {
		if name == "" || strings.ContainsAny(name, " :\r\n\t") || http.CanonicalHeaderKey(name) == "" {
			problems = append(problems, fmt.Sprintf("found header name %q, expected letters, digits and -", name))
		}
		if strings.ContainsAny(value, "\r\n") {
			problems = append(problems, fmt.Sprintf("found a line break in the value of header %s, expected none", name))
		}
	}
	return problems
}
