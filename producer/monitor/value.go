package monitor

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// value is a node of the file and the path of fields that leads to it.
type value struct {
	node         ast.Node // resolved; nil when there is nothing
	line, column int
	prefix, key  string
	index        int // in the list key, or -1
	secret       bool
	sent         bool // by a probe, and so may refer to secrets
}

// path names the field. It is put together when it is needed, which for most
// values is never.
func (v value) path() string {
	path := v.prefix
	if v.key != "" {
		if path != "" {
			path += "."
		}
		path += v.key
	}
	if v.index >= 0 {
		path += "[" + strconv.Itoa(v.index) + "]"
	}
	return path
}

// null reports whether nothing stands where the value should.
func (v value) null() bool {
	return v.node == nil || v.node.Type() == ast.NullType
}

// item is a value in a list.
func (r *reader) item(list value, i int, node ast.Node) value {
	v := value{node: r.anchors.resolve(node), prefix: list.prefix, key: list.key, index: i}
	if list.index >= 0 {
		v.prefix, v.key = list.path(), ""
	}
	v.line, v.column = r.position(v.node, node)
	return v
}

// position is that of what a node stands for.
func (*reader) position(resolved, node ast.Node) (line, column int) {
	switch {
	case resolved != nil:
		return position(resolved)
	case node != nil:
		return position(node)
	default:
		return 1, 1
	}
}

// list returns the items of a list. With alone, something that is no list is a
// list of one.
func (r *reader) list(v value, expected string, alone bool) ([]value, bool) {
	sequence, ok := v.node.(*ast.SequenceNode)
	if !ok {
		if alone && !v.null() && v.node.Type() != ast.MappingType {
			return []value{v}, true
		}
		return nil, r.wrong(v, expected)
	}
	items := make([]value, len(sequence.Values))
	for i, node := range sequence.Values {
		items[i] = r.item(v, i, node)
	}
	return items, true
}

// mapping is a value with fields.
type mapping struct {
	value
	name   string // its path
	fields []field
}

// field is a key of a mapping and what it holds. Node is as it is written.
type field struct {
	key          string
	line, column int
	node         ast.Node
}

// mapping returns the fields of a mapping, and reports those that are not
// among the known ones. Without any known, all are welcome.
func (r *reader) mapping(v value, expected string, known ...string) (mapping, bool) {
	if !isMapping(v.node) {
		return mapping{}, r.wrong(v, expected)
	}
	m := mapping{value: v, name: v.path()}
	m.fields = r.fields(v, v.node)
	if len(known) > 0 {
		r.onlyKnown(m, known)
	}
	return m, true
}

func (r *reader) onlyKnown(m mapping, known []string) {
	for _, f := range m.fields {
		if indexOf(known, f.key) < 0 && (m.name != "" || !strings.HasPrefix(f.key, "x-")) {
			r.report(m.keyOf(f), fmt.Sprintf("unknown key %q", f.key), oneOf(known), didYouMean(f.key, known))
		}
	}
}

func indexOf(words []string, word string) int {
	for i, w := range words {
		if w == word {
			return i
		}
	}
	return -1
}

// keyOf is the key of a field, for reports about the key itself.
func (m mapping) keyOf(f field) value {
	return value{line: f.line, column: f.column, prefix: m.name, key: f.key, index: -1}
}

// get returns the value of a field.
func (r *reader) get(m mapping, key string) (value, bool) {
	for _, f := range m.fields {
		if f.key == key {
			return r.valueOf(m, f), true
		}
	}
	return value{line: m.line, column: m.column, prefix: m.name, key: key, index: -1}, false
}

func (r *reader) valueOf(m mapping, f field) value {
	v := value{node: r.anchors.resolve(f.node), prefix: m.name, key: f.key, index: -1}
	v.line, v.column = r.position(v.node, f.node)
	return v
}

// must returns the value of a field that may not be left out.
func (r *reader) must(m mapping, key, expected string) (value, bool) {
	v, ok := r.get(m, key)
	if !ok {
		r.report(v, "no "+key, expected, "")
	}
	return v, ok
}

// fields lists the fields of a mapping node, each key once: its own first,
// then those of its merges, of which earlier ones win (YAML's merge type).
func (r *reader) fields(v value, node ast.Node) []field {
	if known, ok := r.merged[node]; ok {
		return known
	}
	var own, merged []field
	seen := map[string]int{}
	for iterator := node.(ast.MapNode).MapRange(); iterator.Next(); {
		key := iterator.Key()
		if key.IsMergeKey() {
			merged = append(merged, r.merge(v, iterator.Value())...)
			continue
		}
		f, ok := r.field(v, key, iterator.Value())
		if !ok {
			continue
		}
		if first, twice := seen[f.key]; twice {
			at := mapping{name: v.path()}.keyOf(f)
			r.report(at, fmt.Sprintf("a second %q", f.key), fmt.Sprintf("the one of line %d alone", first), "")
			continue
		}
		seen[f.key] = f.line
		own = append(own, f)
	}
	for _, f := range merged {
		if _, ok := seen[f.key]; !ok {
			seen[f.key] = f.line
			own = append(own, f)
		}
	}
	return own
}

// field reads one key. Keys are words: what YAML takes for a number or a
// boolean is one too, when it is written as a key.
func (r *reader) field(v value, key, node ast.Node) (field, bool) {
	if complicated, ok := key.(*ast.MappingKeyNode); ok {
		key = complicated.Value
	}
	resolved := r.anchors.resolve(key)
	line, column := r.position(resolved, key)
	switch resolved.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return field{key: restore(resolved.GetToken().Value), line: line, column: column, node: node}, true
	default:
		v.line, v.column = line, column
		r.report(v, "a key that is no word", "a word", "")
		return field{}, false
	}
}

// merge returns the fields that "<<" brings in. Those of an anchor are listed
// once, however often and deep it is merged.
func (r *reader) merge(v value, node ast.Node) []field {
	if list, ok := r.anchors.resolve(node).(*ast.SequenceNode); ok {
		var fields []field
		for _, item := range list.Values {
			fields = append(fields, r.mergeOne(v, item)...)
		}
		return fields
	}
	return r.mergeOne(v, node)
}

func (r *reader) mergeOne(v value, node ast.Node) []field {
	resolved := r.anchors.resolve(node)
	if !isMapping(resolved) {
		r.cannotMerge(v, node)
		return nil
	}
	fields := r.fields(v, resolved)
	if _, alias := node.(*ast.AliasNode); alias {
		r.merged[resolved] = fields
	}
	return fields
}

func isMapping(node ast.Node) bool {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	default:
		return false
	}
}

func (r *reader) cannotMerge(v value, node ast.Node) {
	if alias, ok := node.(*ast.AliasNode); ok && r.anchors.aliases[alias] == nil {
		return // reported when it was bound
	}
	v.line, v.column = r.position(nil, node)
	v.prefix, v.key, v.index = v.path(), "<<", -1
	v.node = r.anchors.resolve(node)
	r.report(v, v.describe(), "a mapping to merge, such as *name", "")
}
