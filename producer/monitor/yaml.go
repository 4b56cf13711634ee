package monitor

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// mistake is what is wrong with a text before it has fields.
type mistake struct {
	line, column          int
	found, expected, hint string
}

// parsed is the YAML of a text: its root, nil when there is nothing in it, or
// what is wrong with it.
type parsed struct {
	root    ast.Node
	mistake *mistake
}

// parseYAML reads a text that begins after some lines of the file. The library
// recurses as deep as the text nests and is known to panic on some broken
// texts, so depth is bounded before, and a panic is a mistake like others.
func parseYAML(text string, linesBefore int) (result parsed) {
	defer func() {
		if reason := recover(); reason != nil {
			result = parsed{mistake: &mistake{
				line: linesBefore + 1, column: 1,
				found: fmt.Sprintf("YAML that cannot be read (%v)", reason), expected: "valid YAML",
			}}
		}
	}()
	tokens := lexer.Tokenize(text)
	for _, t := range tokens {
		t.Position.Line += linesBefore
	}
	if deep := tooDeep(tokens); deep != nil {
		return parsed{mistake: &mistake{
			line: deep.Position.Line, column: deep.Position.Column,
			found: fmt.Sprintf("more than %d levels", maxDepth), expected: "fewer",
		}}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are told with the other mistakes
	if err != nil {
		return parsed{mistake: syntaxMistake(err, linesBefore)}
	}
	return onlyDocument(file)
}

// maxDepth is far above what the format needs, and far below what would hurt.
const maxDepth = 64

// tooDeep returns the token at which brackets, or entries on one line, nest
// deeper than maxDepth. Blocks need a line and more spaces for each level, so
// they are bounded by columns.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, entries, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, entries = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			entries++
		default:
			continue
		}
		if brackets > maxDepth || entries > maxDepth || t.Type == token.SequenceEntryType && t.Position.Column > maxColumn {
			return t
		}
	}
	return nil
}

const maxColumn = 1000

// syntaxMistake takes the place and the reason out of the library's error.
func syntaxMistake(err error, linesBefore int) *mistake {
	m := &mistake{line: linesBefore + 1, column: 1, found: "broken YAML", expected: "valid YAML"}
	if at, ok := errors.AsType[yaml.Error](err); ok {
		m.found = fmt.Sprintf("broken YAML (%s)", restore(at.GetMessage()))
		if t := at.GetToken(); t != nil && t.Position != nil {
			m.line, m.column = t.Position.Line, t.Position.Column
		}
	}
	if strings.Contains(m.found, "\t") {
		m.found, m.hint = "broken YAML (a tab where a line begins)", "indent with spaces"
	}
	return m
}

// onlyDocument is the one document of a file. Directives may stand before it.
func onlyDocument(file *ast.File) parsed {
	var found parsed
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		switch document.Body.Type() {
		case ast.DirectiveType, ast.CommentType, ast.CommentGroupType:
			continue
		default:
		}
		if found.root != nil {
			line, column := position(document.Body)
			return parsed{mistake: &mistake{line: line, column: column, found: "a second document", expected: "one"}}
		}
		found.root = document.Body
	}
	return found
}

// position is where a node begins. The library's own answer for a mapping is
// its first colon.
func position(node ast.Node) (line, column int) {
	switch n := node.(type) {
	case nil:
		return 1, 1
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return position(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return position(n.Key)
	default:
	}
	if t := node.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 1, 1
}

// anchors binds each alias to what its name stood for at that place. A name
// stands for a node only after its end, so nothing contains itself.
type anchors struct {
	named   map[string]ast.Node
	above   map[string]ast.Node // of the sections before a part that is read alone
	aliases map[*ast.AliasNode]ast.Node
	unbound []*ast.AliasNode
	defined int              // how many anchors there were so far
	fresh   []*ast.AliasNode // bound since the last call of forget
}

func newAnchors() *anchors {
	return &anchors{named: map[string]ast.Node{}, aliases: map[*ast.AliasNode]ast.Node{}}
}

// bind walks a tree in the order of the file.
func (a *anchors) bind(node ast.Node) {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, entry := range n.Values {
			a.bind(entry)
		}
	case *ast.MappingValueNode:
		a.bind(n.Key)
		a.bind(n.Value)
	case *ast.MappingKeyNode:
		a.bind(n.Value)
	case *ast.SequenceNode:
		for _, item := range n.Values {
			a.bind(item)
		}
	case *ast.TagNode:
		a.bind(n.Value)
	case *ast.AnchorNode:
		a.bind(n.Value)
		a.named[nameOf(n.Name)] = n.Value
		a.defined++
	case *ast.AliasNode:
		target, ok := a.named[nameOf(n.Value)]
		if !ok {
			target, ok = a.above[nameOf(n.Value)]
		}
		if !ok {
			a.unbound = append(a.unbound, n)
			return
		}
		a.aliases[n] = target
		a.fresh = append(a.fresh, n)
	default: // scalars, and nil where something was left out
	}
}

// forget lets go of the aliases of a tree that was read, unless an anchor may
// have kept a part of it. One node left would keep all of its tree in memory.
func (a *anchors) forget(definedBefore int) {
	if a.defined == definedBefore {
		for _, alias := range a.fresh {
			delete(a.aliases, alias)
		}
	}
	a.fresh = a.fresh[:0]
}

func nameOf(node ast.Node) string {
	if node == nil || node.GetToken() == nil {
		return ""
	}
	return node.GetToken().Value
}

// resolve looks through anchors and aliases. It returns nil for what is not
// there, and for an alias without an anchor.
func (a *anchors) resolve(node ast.Node) ast.Node {
	for {
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.AliasNode:
			node = a.aliases[n]
		default:
			return node
		}
	}
}
