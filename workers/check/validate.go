package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// Problem is something wrong with a spec. Path leads to it, in the words of
// files and messages: "expect[1]", "http.url", "tcp.dialogue[2].expect".
type Problem struct {
	Path    string
	Message string
}

// problems gathers what is wrong, below a path.
type problems struct {
	path  string
	found []Problem
}

// add adds one at a field; the field may be empty, for the whole.
func (p *problems) add(field, format string, args ...any) {
	path := p.path
	if field != "" {
		path += "." + field
	}
	p.found = append(p.found, Problem{strings.TrimPrefix(path, "."), fmt.Sprintf(format, args...)})
}

// check adds an error at a field, if there is one.
func (p *problems) check(field string, err error) {
	if err != nil {
		p.add(field, "%v", err)
	}
}

// Validator validates specs. It remembers the expressions that it has seen.
type Validator struct {
	programs *programs
	kinds    map[string]kind // made once: to make them is ten times the work of a validation
}

// NewValidator makes a validator.
func NewValidator() (*Validator, error) {
	programs, err := newPrograms()
	if err != nil {
		return nil, fmt.Errorf("make validator: %w", err)
	}
	return &Validator{programs: programs, kinds: kinds()}, nil
}

// Validate finds everything that is wrong with a spec, so that it can be told
// to whoever writes it instead of being found out at each check.
func (v *Validator) Validate(spec job.Spec) []Problem {
	name, err := spec.Kind()
	if err != nil {
		return []Problem{{"", err.Error()}}
	}
	whole := problems{}
	if spec.Timeout < 0 {
		whole.add("timeout", "found timeout %s, expected none below 0s", spec.Timeout)
	}
	p := problems{path: name}
	validatePlainly(v.kinds[name], spec, &p)
	whole.found = append(whole.found, p.found...)
	v.expressions(&whole, name, "expect", spec.Expect)
	v.expressions(&whole, name, "warn", spec.Warn)
	slices.SortStableFunc(whole.found, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return whole.found
}

// expressions compiles those of a field.
func (v *Validator) expressions(p *problems, kind, field string, expressions []string) {
	for i, expression := range expressions {
		_, err := v.programs.get(kind, expression)
		if err == nil && job.HasReference(expression) {
			err = errors.New("found a reference to a secret, expected an expression without one: secrets are for what a probe sends")
		}
		p.check(fmt.Sprintf("%s[%d]", field, i), err)
	}
}
