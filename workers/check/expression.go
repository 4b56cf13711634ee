package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"vedette/pipeline/job"
)

// Bounds of expressions: what they may cost, in CEL's own units and in time,
// and how much of what they saw is shown. A search in a body of 10 MiB costs
// about ten million; loops over a large list run into the time long before,
// since the library's accounts get slower as they grow.
const (
	maxCost     = 100_000_000
	maxEvaluation     = time.Second
	maxPrograms = 10_000
	maxShownFacts    = 5
	maxValueLength    = 100
)

// programs compiles expressions, each once.
type programs struct {
	envs map[string]*cel.Env // by kind of probe

	mu       sync.RWMutex
	compiled map[programKey]*program
}

type programKey struct{ kind, expression string }

// program is a compiled expression, with the facts in it that a person wants to
// see when it is false.
type program struct {
	text   string
	cel    cel.Program
	shown  []shownFact
	asJSON bool
}

type shownFact struct {
	text string
	cel  cel.Program
}

// FactTypes are the facts that expectations of a kind of probe may use, with
// their CEL types. The documentation of the package tells what they hold.
func FactTypes(kind string) map[string]string {
	facts := map[string]string{}
	for name, t := range factTypes(kind) {
		facts[name] = t.String()
	}
	return facts
}

func newPrograms() (*programs, error) {
	p := &programs{envs: map[string]*cel.Env{}, compiled: map[programKey]*program{}}
	for kind := range probeKinds() {
		options := []cel.EnvOption{cel.CrossTypeNumericComparisons(true)}
		for name, t := range factTypes(kind) {
			options = append(options, cel.Variable(name, t))
		}
		env, err := cel.NewEnv(options...)
		if err != nil {
			return nil, fmt.Errorf("make expression environment: %w", err)
		}
		p.envs[kind] = env
	}
	return p, nil
}

// get returns the compiled form of an expression, from memory if it can. What
// is remembered is bounded; the bound is so high that reaching it means that
// definitions change all the time, and beginning anew is the simple answer.
func (p *programs) get(kind, expression string) (*program, error) {
	key := programKey{kind, expression}
	p.mu.RLock()
	known := p.compiled[key]
	p.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	made, err := compile(p.envs[kind], expression)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.compiled) >= maxPrograms {
		clear(p.compiled)
	}
	p.compiled[key] = made
	return made, nil
}

func compile(env *cel.Env, expression string) (*program, error) {
	checked, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, errors.New(firstIssue(issues))
	}
	if out := checked.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, job.Problem{Found: fmt.Sprintf("an expression of type %s", out), Expected: "one that is true or false"}
	}
	compiled, err := makeProgram(env, checked)
	if err != nil {
		return nil, err
	}
	made := &program{text: expression, cel: compiled}
	for _, text := range factChains(checked.NativeRep()) {
		root, _, _ := strings.Cut(text, ".")
		root, _, _ = strings.Cut(root, "[")
		if !isFact(root) {
			continue // the variable of a macro such as exists
		}
		made.asJSON = made.asJSON || root == "json"
		if len(made.shown) == maxShownFacts {
			continue
		}
		if part, issues := env.Compile(text); issues.Err() == nil {
			if compiled, err := makeProgram(env, part); err == nil {
				made.shown = append(made.shown, shownFact{text, compiled})
			}
		}
	}
	return made, nil
}

// isFact tells whether any kind of probe has a fact of the name.
func isFact(name string) bool {
	for kind := range probeKinds() {
		if _, ok := factTypes(kind)[name]; ok {
			return true
		}
	}
	return false
}

func makeProgram(env *cel.Env, checked *cel.Ast) (cel.Program, error) {
	return env.Program(checked, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100), cel.CustomDecoratorV2(strictEquality))
}

// firstIssue is the compiler's first complaint, on one line.
func firstIssue(issues *cel.Issues) string {
	all := issues.Errors()
	if len(all) == 0 {
		return issues.Err().Error()
	}
	return fmt.Sprintf("%s (column %d)", all[0].Message, all[0].Location.Column()+1)
}

// factChains are the longest chains of fields and indices in an expression,
// such as json.items[0].name: what a person wants to see the values of.
func factChains(whole *ast.AST) []string {
	var found []string
	seen := map[string]bool{}
	var visit func(e ast.NavigableExpr)
	visit = func(e ast.NavigableExpr) {
		if isFactChain(e) {
			if text, err := cel.ExprToString(e, whole.SourceInfo()); err == nil && !seen[text] {
				seen[text] = true
				found = append(found, text)
			}
			return
		}
		for _, child := range e.Children() {
			visit(child)
		}
	}
	visit(ast.NavigateAST(whole))
	return found
}

func isFactChain(e ast.Expr) bool {
	switch e.Kind() {
	case ast.IdentKind:
		return true
	case ast.SelectKind:
		return !e.AsSelect().IsTestOnly() && isFactChain(e.AsSelect().Operand())
	case ast.CallKind:
		call := e.AsCall()
		return call.FunctionName() == operators.Index && call.Args()[1].Kind() == ast.LiteralKind && isFactChain(call.Args()[0])
	default:
		return false
	}
}

// strictEquality makes == and != fail for values of different types. CEL lets
// them be unequal, so that json.n != "5" would be true of the number 5, and a
// check would be up on an answer that nobody expected.
func strictEquality(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if ok && (call.Function() == operators.Equals || call.Function() == operators.NotEquals) {
		return &equality{InterpretableCall: call}, nil
	}
	return i, nil
}

type equality struct{ interpreter.InterpretableCall }

// Exec compares as CEL does, once the types agree.
func (e *equality) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	if err := mismatch(e.Args()[0].Exec(frame), e.Args()[1].Exec(frame)); err != nil {
		return err
	}
	return e.InterpretableCall.Exec(frame)
}

// Eval is Exec for callers of the older interface.
func (e *equality) Eval(activation interpreter.Activation) ref.Val {
	if err := mismatch(e.Args()[0].Eval(activation), e.Args()[1].Eval(activation)); err != nil {
		return err
	}
	return e.InterpretableCall.Eval(activation)
}

// mismatch returns an error value for two values that cannot sensibly be
// compared. Numbers of all kinds can, and anything can be compared with null.
func mismatch(a, b ref.Val) ref.Val {
	if types.IsUnknownOrError(a) || types.IsUnknownOrError(b) || a.Type() == b.Type() {
		return nil
	}
	if a.Type() == types.NullType || b.Type() == types.NullType || numeric(a) && numeric(b) {
		return nil
	}
	return types.NewErr("%s is compared with %s", a.Type().TypeName(), b.Type().TypeName())
}

func numeric(v ref.Val) bool {
	return v.Type() == types.IntType || v.Type() == types.UintType || v.Type() == types.DoubleType
}

// addCommon puts what every probe knows into the facts.
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

// expect makes an result down at the first expectation that does not hold.
func (c *Checker) expect(ctx context.Context, spec job.Spec, facts Facts, result *job.ProbeResult) {
	c.evaluate(ctx, spec, spec.Expect, facts, result, job.Down)
}

// warn makes an result degraded at the first warning that does not hold.
func (c *Checker) warn(ctx context.Context, spec job.Spec, facts Facts, result *job.ProbeResult) {
	c.evaluate(ctx, spec, spec.Warn, facts, result, job.Degraded)
}

func (c *Checker) evaluate(ctx context.Context, spec job.Spec, expressions []string, facts Facts, result *job.ProbeResult, otherwise job.Health) {
	kind, err := spec.Kind()
	if err != nil || len(expressions) == 0 {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxEvaluation, errTooLong)
	defer cancel()
	for _, expression := range expressions {
		compiled, err := c.programs.get(kind, expression)
		if err != nil { // whoever ordered this did not validate it
			result.Health, result.Class = job.Unknown, job.ClassInternal
			result.Cause = fmt.Sprintf("read expectation %s: %v", expression, err)
			return
		}
		if compiled.asJSON {
			facts.parseJSON()
		}
		if cause := compiled.failureCause(ctx, facts); cause != "" {
			result.Health, result.Class, result.Cause = otherwise, job.ClassExpectation, cause
			return
		}
	}
}

// errTooLong ends expressions that would go on and on.
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

// failureCause tells why an expression does not hold; empty when it does.
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

// factValues shows the facts in an expression, as they were.
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

// evaluationCause is why an expression could not be evaluated, without what the values
// have told already.
func evaluationCause(err error) string {
	if errors.Is(err, errTooLong) {
		return errTooLong.Error()
	}
	text := err.Error()
	if strings.HasPrefix(text, "no such ") {
		return "something missing or of another type"
	}
	return text
}

// formatValue writes a value as it would stand in an expression, cut to a length that
// a mail can bear.
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
