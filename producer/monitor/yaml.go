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

// mistake is why a text has no tree.
type mistake struct {
	line, column          int
	found, expected, hint string
}

// parsed is the document in a text, nil when the text is empty, or why there is
// none.
type parsed struct {
	root    ast.Node
	mistake *mistake
}

func mistaken(line, column int, found, expected string) parsed {
	return parsed{mistake: &mistake{line: line, column: column, found: found, expected: expected}}
}

// parseYAML parses a text. The library recurses as deep as the text nests and
// panics on some broken texts, so depth is bounded first, and a panic is a mistake
// in the text.
func parseYAML(text string) (result parsed) {
	defer func() {
		if reason := recover(); reason != nil {
			result = mistaken(1, 1, fmt.Sprintf("YAML that cannot be read (%v)", reason), "valid YAML")
		}
	}()
	tokens := lexer.Tokenize(text)
	if deep := tooDeep(tokens); deep != nil {
		return mistaken(deep.Position.Line, deep.Position.Column, fmt.Sprintf("more than %d levels", maxDepth), "fewer")
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are reported with the other mistakes
	if err != nil {
		return parsed{mistake: syntaxMistake(err)}
	}
	return onlyDocument(file)
}

// maxDepth is far above what the format needs, and far below what would exhaust the
// stack.
const maxDepth = 64

// tooDeep returns the token at which brackets, or entries in one line, are nested
// deeper than maxDepth. Blocks need more indentation for each level, so their
// columns are limited.
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

// syntaxMistake converts the library's error.
func syntaxMistake(err error) *mistake {
	m := &mistake{line: 1, column: 1, found: "broken YAML", expected: "valid YAML"}
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

// onlyDocument returns the only document in a file. Directives may come before it.
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
			return mistaken(line, column, "a second document", "one")
		}
		found.root = document.Body
	}
	return found
}
