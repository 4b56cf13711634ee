package monitor

import (
	"fmt"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// kind is what a node is, in YAML and JSON alike.
type kind uint8

const (
	kindNothing kind = iota // null, or left out
	kindText
	kindInteger
	kindFloat
	kindBoolean
	kindInfinity // or not a number
	kindList
	kindMapping
	kindTag     // a YAML tag, which no field takes
	kindUnbound // an alias without an anchor, reported when it was read
	kindOther
)

// node is a value as written, in YAML or JSON. Aliases share nodes, so nodes do not
// change once they are built.
type node struct {
	kind          kind
	quoted, block bool // text in quotes, block scalar
	line, column  int
	text          string // a scalar, before references are replaced
	items         []*node
	fields        []field
	flaws         []flaw // in a mapping
}

// field is a key in a mapping, and its value. line and column locate the key,
// valueLine and valueColumn the value as written: an alias stands elsewhere than its
// node.
type field struct {
	key                    string
	line, column           int
	valueLine, valueColumn int
	node                   *node
}

// flaw is a mistake in the keys. It is reported when the mapping is read, since the
// reader knows the path.
type flaw struct {
	line, column    int
	key             string
	found, expected string
}

// mappingBuilder adds fields to a mapping, each key once.
type mappingBuilder struct {
	node  *node
	lines map[string]int // by key, once there are many
}

// manyFields is when a map finds keys faster than a loop.
const manyFields = 16

// add adds a field unless its key is taken. It returns the line with the key's first
// field.
func (b *mappingBuilder) add(f field) (line int, added bool) {
	if line, taken := b.line(f.key); taken {
		return line, false
	}
	b.node.fields = append(b.node.fields, f)
	if b.lines != nil {
		b.lines[f.key] = f.line
	} else if len(b.node.fields) > manyFields {
		b.lines = make(map[string]int, 2*manyFields)
		for _, known := range b.node.fields {
			b.lines[known.key] = known.line
		}
	}
	return f.line, true
}

// own adds a field from the mapping itself. A second field for a key is a flaw.
func (b *mappingBuilder) own(f field) {
	if first, added := b.add(f); !added {
		b.node.addFlaws(flaw{f.line, f.column, f.key, fmt.Sprintf("a second %q", f.key), fmt.Sprintf("the one of line %d alone", first)})
	}
}

func (b *mappingBuilder) line(key string) (int, bool) {
	if b.lines != nil {
		line, ok := b.lines[key]
		return line, ok
	}
	for _, f := range b.node.fields {
		if f.key == key {
			return f.line, true
		}
	}
	return 0, false
}

// addFlaws adds new flaws: a mapping may be merged many times.
func (n *node) addFlaws(flaws ...flaw) {
	for _, f := range flaws {
		if !slices.Contains(n.flaws, f) {
			n.flaws = append(n.flaws, f)
		}
	}
}

// isScalar reports whether the node is a single value other than text.
func (n *node) isScalar() bool {
	return slices.Contains([]kind{kindInteger, kindFloat, kindBoolean, kindInfinity}, n.kind)
}

// usesEnvironment reports whether the node holds a reference to a variable, at any
// depth.
func (n *node) usesEnvironment() bool {
	switch n.kind {
	case kindText:
		return strings.Contains(strings.ReplaceAll(n.text, job.ReferenceStart, ""), "${")
	case kindMapping:
		return slices.ContainsFunc(n.fields, func(f field) bool { return f.node.usesEnvironment() })
	default:
		return false
	}
}
