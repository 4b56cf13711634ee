package monitor

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// leaf is a scalar, with all that its node points to in one piece of memory.
type leaf struct {
	node  ast.StringNode
	base  ast.BaseNode
	token token.Token
	place token.Position
}

// leaf makes a scalar of what comes next, and passes over it.
func (q *quick) leaf(text string, kind token.Type) *ast.StringNode {
	const many = 256
	if len(q.leaves) == 0 {
		q.leaves = make([]leaf, many)
	}
	l := &q.leaves[0]
	q.leaves = q.leaves[1:]
	l.place = token.Position{Line: q.line, Column: q.at - q.start + 1}
	l.token = token.Token{Type: kind, Value: text, Origin: text, Position: &l.place}
	l.node = ast.StringNode{BaseNode: &l.base, Token: &l.token, Value: text}
	q.at += len(text)
	return &l.node
}

// scalar is the node of a plain word, by what the library takes it for: a word
// that it may take for something else is left to it.
func (q *quick) scalar(word *ast.StringNode) ast.Node {
	text := word.Value
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	switch {
	case digits == 0:
		return q.word(word)
	case digits == len(text) && (text[0] != '0' || digits == 1) && digits < 10:
		word.Token.Type = token.IntegerType
		return &ast.IntegerNode{BaseNode: word.BaseNode, Token: word.Token}
	case isUnit(text[digits:]):
		return word
	default:
		q.bad = true
		return nil
	}
}

// word tells words from the names of other things.
func (q *quick) word(word *ast.StringNode) ast.Node {
	switch strings.ToLower(word.Value) {
	case "true", "false":
		if word.Value == strings.ToLower(word.Value) {
			word.Token.Type = token.BoolType
			return &ast.BoolNode{BaseNode: word.BaseNode, Token: word.Token, Value: word.Value == "true"}
		}
		q.bad = true
	case "null", "yes", "no", "on", "off", "y", "n", "nan", "inf":
		q.bad = true
	}
	return word
}

func isUnit(text string) bool {
	return text == "ms" || text == "s" || text == "m" || text == "h" || text == "d"
}
