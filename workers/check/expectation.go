package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"vedette/pipeline/job"
)

// addCommon adds the facts common to all probes.
func (f Facts) addCommon(result job.ProbeResult) {
	f["latency"] = result.Latency.Std()
	f["phases"] = map[string]time.Duration{
		"dns": result.Phases.DNS.Std(), "connect": result.Phases.Connect.Std(), "tls": result.Phases.TLS.Std(),
		"processing": result.Phases.Processing.Std(), "transfer": result.Phases.Transfer.Std(),
	}
	host := result.Address
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = strings.Trim(host[:i], "[]")
	}
	f["ip"] = host
}

// expectations are the expressions in a field of a spec, and the health if one
// is not true.
type expectations struct {
	spec        job.Spec
	expressions []string
	otherwise   job.Health
}

// evaluate changes a result that is up at the first expression that is not
// true.
func (c *Checker) evaluate(ctx context.Context, e expectations, facts Facts, result *job.ProbeResult) {
	kind, err := e.spec.Kind()
	if err != nil || len(e.expressions) == 0 || result.Health != job.Up {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxEvaluation, errTooLong)
	defer cancel()
	for _, expression := range e.expressions {
		compiled, err := c.programs.get(kind, expression)
		if err != nil { // from a client that did not validate the spec
			result.Health, result.Class = job.Unknown, job.ClassInternal
			result.Cause = fmt.Sprintf("read expectation %s: %v", expression, err)
			return
		}
		if compiled.asJSON {
			facts.parseJSON()
		}
		if cause := compiled.failureCause(ctx, facts); cause != "" {
			result.Health, result.Class, result.Cause = e.otherwise, job.ClassExpectation, cause
			return
		}
	}
}

// errTooLong ends the evaluation of slow expressions.
var errTooLong = fmt.Errorf("stopped: took longer than %s", maxEvaluation)

// parseJSON adds the body as JSON, if it is JSON.
func (f Facts) parseJSON() {
	body, ok := f["body"].(string)
	if _, done := f["json"]; done || !ok {
		return
	}
	var parsed any
	if json.Unmarshal([]byte(body), &parsed) == nil {
		f["json"] = parsed
	}
}

// failureCause returns why an expression is not true, or "".
func (p *program) failureCause(ctx context.Context, facts Facts) string {
	value, _, err := p.cel.ContextEval(ctx, map[string]any(facts))
	if err == nil && value == types.True {
		return ""
	}
	found := p.factValues(ctx, facts)
	if err != nil {
		found = append(found, evaluationCause(err))
	} else if value != types.False {
		found = append(found, "the value "+formatValue(value)+", which is neither true nor false")
	}
	return "expected " + p.text + ", found " + strings.Join(found, ", ")
}

// factValues formats the facts in an expression.
func (p *program) factValues(ctx context.Context, facts Facts) []string {
	found := make([]string, 0, len(p.shown)+1)
	for _, s := range p.shown {
		value, _, err := s.cel.ContextEval(ctx, map[string]any(facts))
		if err != nil {
			found = append(found, "no "+s.text)
			continue
		}
		found = append(found, s.text+" = "+formatValue(value))
	}
	return found
}

// evaluationCause returns why an expression could not be evaluated, without
// details that the fact values already show.
func evaluationCause(err error) string {
	if errors.Is(err, errTooLong) {
		return errTooLong.Error()
	}
	text := err.Error()
	if strings.HasPrefix(text, "no such ") {
		return "a missing value or another type"
	}
	return text
}

// formatValue formats a value as in an expression, limited to a length suitable
// for mails.
func formatValue(value ref.Val) string {
	var text string
	switch v := value.Value().(type) {
	case string:
		text = fmt.Sprintf("%q", v)
	case time.Duration:
		text = v.Round(time.Microsecond).String()
	default:
		text = fmt.Sprint(v)
	}
	if runes := []rune(text); len(runes) > maxValueLength {
		return string(runes[:maxValueLength]) + "…"
	}
	return text
}
