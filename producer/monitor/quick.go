package monitor

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// In a file of a million monitors nearly all are written in one plain way: words,
// numbers and texts in quotes, in braces or below each other. A part of the list
// in which all are is read here, into the nodes that the library would make of
// it, in a tenth of its time. Whatever else stands anywhere in the part, such as
// an escape, an anchor, a remark behind a value or a letter beyond ASCII, leaves
// the whole part to the library, which is the judge of what is a mistake.

// quick reads a part of the list.
type quick struct {
	text   string
	at     int
	line   int // of the file
	start  int // of the line in the text
	indent string
	bad    bool
	leaves []leaf
}

// quickList reads a part of the list, if it is plain.
func quickList(text string, linesBefore int) (ast.Node, bool) {
	q := &quick{text: text, line: linesBefore}
	list := ast.Sequence(nil, false)
	var item *ast.MappingNode
	for q.at < len(text) && !q.bad {
		q.line++
		q.start = q.at
		line, _, _ := strings.Cut(text[q.at:], "\n")
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case isBlank(trimmed):
			q.at += len(line)
		case item == nil && len(list.Values) == 0:
			q.indent = line[:len(line)-len(trimmed)]
			item = q.item(list)
		case strings.HasPrefix(line, q.indent+"- "):
			item = q.item(list)
		case item != nil && !item.IsFlowStyle && len(line)-len(trimmed) == len(q.indent)+len("- "):
			q.at += len(line) - len(trimmed)
			q.entry(item)
		default:
			q.bad = true
		}
		q.endLine()
	}
	return list, !q.bad && len(list.Values) > 0
}

// item reads the line that begins a monitor.
func (q *quick) item(list *ast.SequenceNode) *ast.MappingNode {
	q.need(q.indent + "- ")
	if q.has("{") {
		q.at--
		item, _ := q.flow(0).(*ast.MappingNode)
		list.Values = append(list.Values, item)
		return item
	}
	item := ast.Mapping(nil, false)
	q.entry(item)
	list.Values = append(list.Values, item)
	return item
}

// entry reads a key and its value into a mapping.
func (q *quick) entry(m *ast.MappingNode) { q.pair(m, 0) }

func (q *quick) pair(m *ast.MappingNode, depth int) {
	key := q.plain("")
	if key == nil || !isLetter(key.Value[0]) {
		q.bad = true
		return
	}
	q.need(": ")
	value := q.flow(depth)
	m.Values = append(m.Values, &ast.MappingValueNode{BaseNode: key.BaseNode, Start: key.Token, Key: key, Value: value})
}

// maxQuick is how deep brackets may nest here.
const maxQuick = 4

// flow reads a value that stands on one line.
func (q *quick) flow(depth int) ast.Node {
	q.spaces()
	switch c := q.peek(); {
	case q.bad || depth > maxQuick:
		q.bad = true
	case c == '{':
		return q.braces(depth)
	case c == '[':
		return q.brackets(depth)
	case c == '"' || c == '\'':
		return q.quoted(c)
	default:
		if word := q.plain(":/?&=%@+"); word != nil {
			return q.scalar(word)
		}
	}
	return nil
}

func (q *quick) braces(depth int) ast.Node {
	m := ast.Mapping(q.leaf("{", token.MappingStartType).Token, true)
	for !q.bad {
		q.spaces()
		q.pair(m, depth+1)
		q.spaces()
		if q.has("}") {
			return m
		}
		q.need(",")
	}
	return m
}

func (q *quick) brackets(depth int) ast.Node {
	list := ast.Sequence(q.leaf("[", token.SequenceStartType).Token, true)
	for !q.bad && !q.has("]") {
		if len(list.Values) > 0 {
			q.need(",")
		}
		list.Values = append(list.Values, q.flow(depth+1))
		q.spaces()
	}
	return list
}

// quoted reads a text in quotes that holds neither these nor a backslash.
func (q *quick) quoted(quote byte) ast.Node {
	rest := q.text[q.at+1:]
	for i := range len(rest) {
		switch c := rest[i]; {
		case c == quote:
			kind := token.DoubleQuoteType
			if quote == '\'' {
				kind = token.SingleQuoteType
			}
			text := q.leaf(q.text[q.at:q.at+i+2], kind)
			text.Value, text.Token.Value = rest[:i], rest[:i]
			return q.closed(text)
		case c < ' ' || c > '~' || c == '\\':
			q.bad = true
			return nil
		}
	}
	q.bad = true
	return nil
}

// closed is what ended with a quote, behind which only an end may come: another
// quote would be a part of the text.
func (q *quick) closed(text *ast.StringNode) ast.Node {
	if c := q.peek(); c != 0 && !strings.ContainsRune(" \n,]}", rune(c)) {
		q.bad = true
	}
	return text
}

// plain reads a word of letters, digits, _, - and dots, and of what else may be
// in it, which is not at its end.
func (q *quick) plain(also string) *ast.StringNode {
	end := q.at
	for end < len(q.text) && (isWord(q.text[end]) || strings.IndexByte(also, q.text[end]) >= 0) {
		end++
	}
	word := q.text[q.at:end]
	if word == "" || !isAlphanumeric(word[0]) || !isWord(word[len(word)-1]) && word[len(word)-1] != '/' {
		q.bad = true
		return nil
	}
	return q.leaf(word, token.StringType)
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isAlphanumeric(c byte) bool { return isLetter(c) || '0' <= c && c <= '9' }

func isWord(c byte) bool { return isAlphanumeric(c) || c == '_' || c == '-' || c == '.' }

func (q *quick) peek() byte {
	if q.at == len(q.text) {
		return 0
	}
	return q.text[q.at]
}

func (q *quick) has(text string) bool {
	if !strings.HasPrefix(q.text[q.at:], text) {
		return false
	}
	q.at += len(text)
	return true
}

func (q *quick) need(text string) {
	if !q.has(text) {
		q.bad = true
	}
}

func (q *quick) spaces() {
	for q.peek() == ' ' {
		q.at++
	}
}

// endLine passes over the end of a line, behind which nothing else may stand.
func (q *quick) endLine() {
	q.spaces()
	if q.at < len(q.text) {
		q.need("\n")
	}
}
