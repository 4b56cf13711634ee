package check

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// problems collects the problems below a path.
type problems struct {
	path  string
	found []job.Problem
}

// add adds a problem in a field, or without one.
func (p *problems) add(field, found, expected string) {
	path := p.path
	if field != "" {
		path += "." + field
	}
	p.found = append(p.found, job.Problem{Path: strings.TrimPrefix(path, "."), Found: found, Expected: expected})
}

// require adds a problem with a field's value unless the value is valid.
func (p *problems) require(valid bool, field string, value any, expected string) {
	if valid {
		return
	}
	if text, ok := value.(string); ok {
		value = strconv.Quote(text)
	}
	p.add(field, fmt.Sprintf("%s %v", field, value), expected)
}

// check adds an error in a field, if there is one.
func (p *problems) check(field string, err error) {
	if err == nil {
		return
	}
	problem, ok := errors.AsType[job.Problem](err)
	if !ok {
		problem = job.Problem{Found: err.Error(), Expected: "a value that the probe can use"}
	}
	p.add(field, problem.Found, problem.Expected)
}

// Validator validates specs. It keeps compiled expressions.
type Validator struct {
	programs *programs
	kinds    map[string]probeKind // kept, since creating them costs ten times a validation
}

// NewValidator returns a validator.
func NewValidator() (*Validator, error) {
	programs, err := newPrograms()
	if err != nil {
		return nil, fmt.Errorf("create validator: %w", err)
	}
	return &Validator{programs: programs, kinds: probeKinds()}, nil
}

// Validate returns every problem in a spec, so that its author learns about
// them before the first check.
func (v *Validator) Validate(spec job.Spec) []job.Problem {
	name, err := spec.Kind()
	if err != nil {
		return []job.Problem{{Found: "none or several probes", Expected: "exactly one of " + strings.Join(job.Kinds(), ", ")}}
	}
	all := problems{}
	all.require(spec.Timeout >= 0, "timeout", spec.Timeout, "none below 0s")
	p := problems{path: name}
	validateWithPlaceholders(v.kinds[name], spec, &p)
	all.found = append(all.found, p.found...)
	v.expressions(&all, name, "expect", spec.Expect)
	v.expressions(&all, name, "warn", spec.Warn)
	slices.SortStableFunc(all.found, func(a, b job.Problem) int { return strings.Compare(a.Path, b.Path) })
	return all.found
}

// expressions compiles the expressions in a field.
func (v *Validator) expressions(p *problems, kind, field string, expressions []string) {
	for i, expression := range expressions {
		_, err := v.programs.get(kind, expression)
		switch _, described := errors.AsType[job.Problem](err); {
		case err != nil && !described:
			err = job.Problem{Found: fmt.Sprintf("%q (%v)", truncate([]byte(expression)), err), Expected: "an expression that can be evaluated"}
		case err == nil && job.HasReference(expression):
			err = job.Problem{Found: "a secret reference", Expected: "an expression without one: only sent texts can contain secrets"}
		}
		p.check(fmt.Sprintf("%s[%d]", field, i), err)
	}
}
