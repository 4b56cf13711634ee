package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// jsonTree builds nodes from valid JSON. The standard library validates the line,
// but its decoder reports neither positions nor repeated keys.
type jsonTree struct {
	line

	at             int // the next byte
	counted, chars int // characters up to a byte before at, since columns count characters
	tooDeep        *mistake
}

// parseJSON parses a line with one JSON value.
func parseJSON(l line) (*node, *mistake) {
	if offset := firstInvalid(l.text); offset >= 0 {
		return nil, &mistake{line: l.number, column: utf8.RuneCountInString(l.text[:offset]) + 1, found: "bytes that are no UTF-8", expected: "text"}
	}
	if text := []byte(l.text); !json.Valid(text) {
		return nil, invalidJSON(l, text)
	}
	t := &jsonTree{line: l}
	root := t.value(0)
	return root, t.tooDeep
}

func invalidJSON(l line, text []byte) *mistake {
	m := &mistake{line: l.number, column: 1, found: "broken JSON", expected: "a JSON object with a monitor"}
	var raw json.RawMessage
	if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(text, &raw)); ok {
		before := int(syntax.Offset)
		if strings.HasPrefix(syntax.Error(), "invalid character") {
			before-- // which is the last one read
		}
		m.column += utf8.RuneCount(text[:before])
		m.found = fmt.Sprintf("broken JSON (%v)", syntax)
	}
	return m
}

func (t *jsonTree) value(depth int) *node {
	n := &node{line: t.number, column: t.skip()}
	if depth > maxDepth && t.tooDeep == nil {
		t.tooDeep = &mistake{line: t.number, column: n.column, found: fmt.Sprintf("more than %d levels", maxDepth), expected: "fewer"}
	}
	switch t.text[t.at] {
	case '{':
		n.kind = kindMapping
		b := mappingBuilder{node: n}
		for t.at++; t.more('}'); {
			b.own(t.field(depth))
		}
	case '[':
		n.kind = kindList
		for t.at++; t.more(']'); {
			n.items = append(n.items, t.value(depth+1))
		}
	case '"':
		n.kind, n.quoted, n.text = kindText, true, t.quoted()
	default:
		t.literal(n)
	}
	return n
}

func (t *jsonTree) field(depth int) field {
	f := field{line: t.number, column: t.skip(), key: t.quoted()}
	f.node = t.value(depth + 1)
	f.valueLine, f.valueColumn = f.node.line, f.node.column
	return f
}

// skip advances to the next value or key, and returns its column.
func (t *jsonTree) skip() int {
	for strings.IndexByte(" \t\r,:", t.text[t.at]) >= 0 {
		t.at++
	}
	t.chars += utf8.RuneCountInString(t.text[t.counted:t.at])
	t.counted = t.at
	return t.chars + 1
}

// more reports whether a list or an object continues. It advances past the end.
func (t *jsonTree) more(end byte) bool {
	t.skip()
	if t.text[t.at] != end {
		return true
	}
	t.at++
	return false
}

// quoted advances past a text and returns it.
func (t *jsonTree) quoted() string {
	start := t.at
	for t.at++; t.text[t.at] != '"'; t.at++ {
		if t.text[t.at] == '\\' {
			t.at++
		}
	}
	t.at++
	written := t.text[start:t.at]
	if strings.IndexByte(written, '\\') < 0 {
		return written[1 : len(written)-1]
	}
	var text string
	_ = json.Unmarshal([]byte(written), &text) // it is valid
	return text
}

// literal advances past a number or a word.
func (t *jsonTree) literal(n *node) {
	rest := t.text[t.at:]
	if end := strings.IndexAny(rest, " \t\r,]}"); end >= 0 {
		rest = rest[:end]
	}
	t.at += len(rest)
	n.text = rest
	switch {
	case rest == "null":
		n.kind = kindNothing
	case rest == "true", rest == "false":
		n.kind = kindBoolean
	case strings.ContainsAny(rest, ".eE"):
		n.kind = kindFloat
	default:
		n.kind = kindInteger
	}
}
