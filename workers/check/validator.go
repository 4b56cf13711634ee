package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// problems collects mistakes below a path.
type problems struct {
	path  string
	found []job.Problem
}

// add adds a mistake in a field; the field may be empty, for the whole.
func (p *problems) add(field, found, expected string) {
	path := p.path
	if field != "" {
		path += "." + field
	}
	p.found = append(p.found, job.Problem{Path: strings.TrimPrefix(path, "."), Found: found, Expected: expected})
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

// Validator validates specs. It remembers the expressions that it has seen.
type Validator struct {
	programs *programs
	kinds    map[string]probeKind // made once: to make them is ten times the work of a validation
}

// NewValidator makes a validator.
func NewValidator() (*Validator, error) {
	programs, err := newPrograms()
	if err != nil {
		return nil, fmt.Errorf("make validator: %w", err)
	}
	return &Validator{programs: programs, kinds: probeKinds()}, nil
}

// Validate finds everything that is wrong with a spec, so that it can be told
// to whoever writes it instead of being found out at each check.
func (v *Validator) Validate(spec job.Spec) []job.Problem {
	name, err := spec.Kind()
	if err != nil {
		return []job.Problem{{Found: "none or several probes", Expected: "exactly one of " + strings.Join(job.Kinds(), ", ")}}
	}
	whole := problems{}
	if spec.Timeout < 0 {
		whole.add("timeout", fmt.Sprintf("timeout %s", spec.Timeout), "none below 0s")
	}
	p := problems{path: name}
	validateWithPlaceholders(v.kinds[name], spec, &p)
	whole.found = append(whole.found, p.found...)
	v.expressions(&whole, name, "expect", spec.Expect)
	v.expressions(&whole, name, "warn", spec.Warn)
	slices.SortStableFunc(whole.found, func(a, b job.Problem) int { return strings.Compare(a.Path, b.Path) })
	return whole.found
}

// expressions compiles those of a field.
func (v *Validator) expressions(p *problems, kind, field string, expressions []string) {
	for i, expression := range expressions {
		_, err := v.programs.get(kind, expression)
		switch _, described := errors.AsType[job.Problem](err); {
		case err != nil && !described:
			err = job.Problem{Found: fmt.Sprintf("%q (%v)", truncate([]byte(expression)), err), Expected: "an expression that can be evaluated"}
		case err == nil && job.HasReference(expression):
			err = job.Problem{Found: "a reference to a secret", Expected: "an expression without one: secrets are for what a probe sends"}
		}
		p.check(fmt.Sprintf("%s[%d]", field, i), err)
	}
}
