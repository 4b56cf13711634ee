package monitor

import (
	"fmt"
	"slices"
	"strconv"
)

// value is a node and its path.
type value struct {
	node         *node // nil for a field that is left out
	line, column int
	prefix, key  string
	index        int // in the list key, or -1
	secret       bool
	sent         bool // by a probe, and so may refer to secrets
}

// fieldPath returns the path. Only messages need it.
func (v value) fieldPath() string {
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

// null reports whether the value is missing or null.
func (v value) null() bool {
	return v.node == nil || v.node.kind == kindNothing || v.node.kind == kindUnbound
}

// unbound reports whether the value is an alias without an anchor, which was
// reported when the file was parsed.
func (v value) unbound() bool { return v.node != nil && v.node.kind == kindUnbound }

func (v value) isMapping() bool { return v.node != nil && v.node.kind == kindMapping }

// item is a value in a list.
func item(list value, i int, n *node) value {
	v := value{node: n, line: n.line, column: n.column, prefix: list.prefix, key: list.key, index: i}
	if list.index >= 0 {
		v.prefix, v.key = list.fieldPath(), ""
	}
	return v
}

// list returns a list's items. With alone, a single value counts as a list with one
// item.
func (r *reader) list(v value, expected string, alone bool) ([]value, bool) {
	if v.node == nil || v.node.kind != kindList {
		if alone && !v.null() && !v.isMapping() {
			return []value{v}, true
		}
		return nil, r.reject(v, expected)
	}
	items := make([]value, len(v.node.items))
	for i, n := range v.node.items {
		items[i] = item(v, i, n)
	}
	return items, true
}

// entries returns the values below a key that takes a value or a list, and whether
// the key is there.
func (r *reader) entries(m mapping, key, expected string) ([]value, bool) {
	v, set := m.get(key)
	if !set {
		return nil, false
	}
	items, _ := r.list(v, expected+", or a list of them", true)
	return items, true
}

// texts returns the texts below a key that takes a text or a list. It rejects those
// that are not valid.
func (r *reader) texts(m mapping, key, expected string, valid func(text string) bool) []string {
	items, _ := r.entries(m, key, expected)
	var texts []string
	for _, item := range items {
		switch text, ok := r.nonEmpty(item, expected); {
		case !ok:
		case !valid(text):
			r.reject(item, expected)
		default:
			texts = append(texts, text)
		}
	}
	return texts
}

// notEmpty reports an empty list below a key.
func (r *reader) notEmpty(m mapping, key, expected, hint string) {
	if v, ok := m.get(key); ok && v.node.kind == kindList && len(v.node.items) == 0 {
		r.report(v, "an empty list", expected, hint)
	}
}

// mapping is a value with fields.
type mapping struct {
	value
	name   string // its path
	fields []field
}

// mapping returns a mapping's fields, and reports unknown ones. Without known keys,
// all are allowed.
func (r *reader) mapping(v value, expected string, known ...string) (mapping, bool) {
	if !v.isMapping() {
		return mapping{}, r.reject(v, expected)
	}
	m := mappingOf(v)
	for _, f := range v.node.flaws {
		r.report(m.keyOf(field{key: f.key, line: f.line, column: f.column}), f.found, f.expected, "")
	}
	for _, f := range m.fields {
		if len(known) > 0 && !slices.Contains(known, f.key) {
			r.report(m.keyOf(f), fmt.Sprintf("unknown key %q", f.key), oneOf(known), didYouMean(f.key, known))
		}
	}
	return m, true
}

func mappingOf(v value) mapping { return mapping{value: v, name: v.fieldPath(), fields: v.node.fields} }

// keyOf returns the key as a value, for reports about the key.
func (m mapping) keyOf(f field) value {
	return value{line: f.line, column: f.column, prefix: m.name, key: f.key, index: -1}
}

// get returns a field's value.
func (m mapping) get(key string) (value, bool) {
	for _, f := range m.fields {
		if f.key == key {
			return m.valueOf(f), true
		}
	}
	return value{line: m.line, column: m.column, prefix: m.name, key: key, index: -1}, false
}

func (m mapping) valueOf(f field) value {
	return value{node: f.node, line: f.node.line, column: f.node.column, prefix: m.name, key: f.key, index: -1}
}

// required returns a field's value, and reports a missing field.
func (r *reader) required(m mapping, key, expected string) (value, bool) {
	v, ok := m.get(key)
	if !ok {
		r.report(v, "no "+key, expected, "")
	}
	return v, ok
}
