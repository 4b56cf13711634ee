package check

import (
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

// Limits for expressions: cost in CEL units, evaluation time, and the values
// that a cause shows. A search in a body of 10 MiB costs about ten million.
// Loops over a large list reach the time limit long before, since the library
// gets slower as it counts.
const (
	maxCost        = 100_000_000
	maxEvaluation  = time.Second
	maxPrograms    = 10_000
	maxShownFacts  = 5
	maxValueLength = 100
)

// programs compiles expressions, and keeps the results.
type programs struct {
	envs map[string]*cel.Env // by kind of probe

	mu       sync.RWMutex
	compiled map[programKey]*program
}

type programKey struct{ kind, expression string }

// program is a compiled expression with the facts that a cause shows when the
// expression is false.
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

// FactTypes returns the facts for a kind of probe, with their CEL types. The
// package documentation describes their content.
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
			return nil, fmt.Errorf("create expression environment: %w", err)
		}
		p.envs[kind] = env
	}
	return p, nil
}

// get returns a compiled expression. The number of kept expressions is limited.
// The limit is so high that only constantly changing definitions reach it, so
// all are dropped then.
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
			continue // a variable in a macro such as exists
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

// isFact reports whether any kind of probe has a fact with the name.
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

// firstIssue returns the compiler's first error, on one line.
func firstIssue(issues *cel.Issues) string {
	all := issues.Errors()
	if len(all) == 0 {
		return issues.Err().Error()
	}
	return fmt.Sprintf("%s (column %d)", all[0].Message, all[0].Location.Column()+1)
}

// factChains returns the longest chains of fields and indices in an expression,
// such as json.items[0].name, whose values explain its result.
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

// strictEquality makes == and != fail for values of different types. In CEL
// they are unequal, so json.n != "5" would be true for the number 5, and a
// check would be up with an unexpected response.
func strictEquality(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if ok && (call.Function() == operators.Equals || call.Function() == operators.NotEquals) {
		return &equality{InterpretableCall: call}, nil
	}
	return i, nil
}

type equality struct{ interpreter.InterpretableCall }

// Exec compares as in CEL if the types agree.
func (e *equality) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	if err := mismatch(e.Args()[0].Exec(frame), e.Args()[1].Exec(frame)); err != nil {
		return err
	}
	return e.InterpretableCall.Exec(frame)
}

// Eval is like Exec, for callers of the older interface.
func (e *equality) Eval(activation interpreter.Activation) ref.Val {
	if err := mismatch(e.Args()[0].Eval(activation), e.Args()[1].Eval(activation)); err != nil {
		return err
	}
	return e.InterpretableCall.Eval(activation)
}

// mismatch returns an error value for types that cannot be compared. Numeric
// types can be compared with each other, and anything with null.
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
