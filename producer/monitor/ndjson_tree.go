package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const aJSONObject = "a JSON object with a monitor"

// jsonTree makes nodes from the tokens of a line.
type jsonTree struct {
	line
	tokens *json.Decoder
	// The start of the last token. Columns count characters.
	offset, column int
}

// parseJSON parses a line with one JSON value.
func parseJSON(l line) (*node, *mistake) {
	if offset := firstInvalid(l.text); offset >= 0 {
		return nil, &mistake{line: l.number, column: utf8.RuneCountInString(l.text[:offset]) + 1, found: "bytes that are no UTF-8", expected: "text"}
	}
	t := &jsonTree{line: l, tokens: json.NewDecoder(strings.NewReader(l.text)), column: 1}
	t.tokens.UseNumber()
	root, err := t.value(0)
	if err == nil {
		if _, after := t.token(); !errors.Is(after, io.EOF) {
			err = errMoreJSON
		}
	}
	if err != nil {
		return nil, t.mistake(err)
	}
	return root, nil
}

var (
	errMoreJSON = errors.New("more than one value")
	errDeepJSON = fmt.Errorf("more than %d levels", maxDepth)
)

func (t *jsonTree) mistake(err error) *mistake {
	m := &mistake{line: t.number, column: t.column, found: fmt.Sprintf("broken JSON (%v)", err), expected: aJSONObject}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		m.found = "broken JSON (the line ends too early)"
	}
	return m
}

// token reads the next token.
func (t *jsonTree) token() (json.Token, error) {
	rest := t.text[t.tokens.InputOffset():]
	start := len(t.text) - len(strings.TrimLeft(rest, " \t\r,:"))
	t.column += utf8.RuneCountInString(t.text[t.offset:start])
	t.offset = start
	return t.tokens.Token() //nolint:wrapcheck // parseJSON reports it
}

// next makes a node from the next token. For a list or an object it is the start.
func (t *jsonTree) next() (*node, json.Token, error) {
	token, err := t.token()
	n := &node{line: t.number, column: t.column}
	switch token := token.(type) {
	case string:
		n.kind, n.text, n.quoted = kindText, token, true
	case json.Number:
		n.kind, n.text = kindInteger, token.String()
		if strings.ContainsAny(n.text, ".eE") {
			n.kind = kindFloat
		}
	case bool:
		n.kind, n.text = kindBoolean, fmt.Sprint(token)
	}
	return n, token, err
}

func (t *jsonTree) value(depth int) (*node, error) {
	n, token, err := t.next()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errDeepJSON
	}
	switch token {
	case json.Delim('['):
		n.kind = kindList
		for err == nil && t.tokens.More() {
			var item *node
			item, err = t.value(depth + 1)
			n.items = append(n.items, item)
		}
	case json.Delim('{'):
		n.kind = kindMapping
		b := mappingBuilder{node: n}
		for err == nil && t.tokens.More() {
			err = t.field(&b, depth)
		}
	default:
		return n, nil
	}
	if err == nil {
		_, err = t.token() // the end
	}
	return n, err
}

func (t *jsonTree) field(to *mappingBuilder, depth int) error {
	key, _, err := t.next()
	if err != nil {
		return err
	}
	content, err := t.value(depth + 1)
	if err != nil {
		return err
	}
	to.own(field{key: key.text, line: key.line, column: key.column, valueLine: content.line, valueColumn: content.column, node: content})
	return nil
}
