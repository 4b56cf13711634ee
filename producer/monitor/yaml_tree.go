package monitor

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// yamlTree builds nodes from the YAML library's. An alias becomes the node for the
// last anchor before it. Anchors count from their end, so no node contains itself.
type yamlTree struct {
	anchors map[string]*node
	unbound []*node // aliases without an anchor
}

// convert builds a node, in document order.
func (t *yamlTree) convert(from ast.Node) *node {
	switch n := from.(type) {
	case *ast.AnchorNode:
		made := t.convert(n.Value)
		if n.Value == nil {
			made.line, made.column = position(n)
		}
		t.anchors[nameOf(n.Name)] = made
		return made
	case *ast.AliasNode:
		return t.alias(n)
	case *ast.MappingNode:
		return t.mapping(n, n)
	case *ast.MappingValueNode:
		return t.mapping(n, n)
	case *ast.SequenceNode:
		list := newNode(kindList, n)
		for _, item := range n.Values {
			list.items = append(list.items, t.convert(item))
		}
		return list
	case *ast.TagNode:
		t.convert(n.Value) // for the anchors in it
		tag := newNode(kindTag, n)
		tag.text = n.Start.Value
		return tag
	default:
		return scalarNode(from)
	}
}

func (t *yamlTree) alias(n *ast.AliasNode) *node {
	if target, ok := t.anchors[nameOf(n.Value)]; ok {
		return target
	}
	missing := newNode(kindUnbound, n)
	missing.text = nameOf(n.Value)
	t.unbound = append(t.unbound, missing)
	return missing
}

// mapping builds a mapping: its own fields, then merged ones, where the first wins
// (YAML merge type).
func (t *yamlTree) mapping(at ast.Node, n ast.MapNode) *node {
	b := mappingBuilder{node: newNode(kindMapping, at)}
	var merged []field
	for entries := n.MapRange(); entries.Next(); {
		key := entries.Key()
		if key.IsMergeKey() {
			merged = append(merged, t.merge(b.node, entries.Value())...)
			continue
		}
		if f, ok := t.field(b.node, key, entries.Value()); ok {
			b.own(f)
		}
	}
	for _, f := range merged {
		b.add(f)
	}
	return b.node
}

// field builds one field. Keys are words, even if YAML reads them as numbers or
// booleans.
func (t *yamlTree) field(of *node, key, content ast.Node) (field, bool) {
	if complicated, ok := key.(*ast.MappingKeyNode); ok {
		key = complicated.Value
	}
	word := t.convert(key)
	f := field{key: word.text, line: word.line, column: word.column, node: t.convert(content)}
	f.valueLine, f.valueColumn = position(content)
	switch {
	case word.kind == kindText && !word.block, word.kind == kindInteger, word.kind == kindFloat, word.kind == kindBoolean, word.kind == kindNothing && word.text != "":
		return f, true
	default:
		of.addFlaws(flaw{line: word.line, column: word.column, found: "a key that is no word", expected: "a word"})
		return field{}, false
	}
}

// merge returns the fields from "<<": a mapping, or a list with mappings.
func (t *yamlTree) merge(into *node, from ast.Node) []field {
	parts := []ast.Node{from}
	if list, ok := from.(*ast.SequenceNode); ok {
		parts = list.Values
	}
	var fields []field
	for _, part := range parts {
		line, column := position(part)
		made := t.convert(part)
		if made.kind != kindList {
			fields = append(fields, mergeOne(into, made, line, column)...)
			continue
		}
		for _, one := range made.items {
			fields = append(fields, mergeOne(into, one, one.line, one.column)...)
		}
	}
	return fields
}

func mergeOne(into, from *node, line, column int) []field {
	switch from.kind {
	case kindMapping:
		into.addFlaws(from.flaws...)
		return from.fields
	case kindUnbound: // reported as an alias
	default:
		into.addFlaws(flaw{line, column, "<<", value{node: from}.describe(), "a mapping to merge, such as *name"})
	}
	return nil
}

// scalarNode builds a node for a single value; nil, a missing value, becomes null.
func scalarNode(from ast.Node) *node {
	if from == nil {
		return &node{line: 1, column: 1}
	}
	made := newNode(kindOther, from)
	if t := from.GetToken(); t != nil {
		made.text = restore(t.Value)
		made.quoted = t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType
	}
	switch n := from.(type) {
	case *ast.StringNode:
		made.kind, made.text = kindText, restore(n.Value)
	case *ast.LiteralNode:
		made.kind, made.block, made.text = kindText, true, ""
		if n.Value != nil {
			made.text = restore(n.Value.Value)
		}
	case *ast.IntegerNode:
		made.kind = kindInteger
	case *ast.FloatNode:
		made.kind = kindFloat
	case *ast.BoolNode:
		made.kind = kindBoolean
	case *ast.InfinityNode, *ast.NanNode:
		made.kind = kindInfinity
	case *ast.NullNode:
		made.kind = kindNothing
	default:
	}
	return made
}

func newNode(k kind, at ast.Node) *node {
	n := &node{kind: k}
	n.line, n.column = position(at)
	return n
}

// position returns where a node begins. For a mapping, the library returns its first
// colon.
func position(at ast.Node) (line, column int) {
	switch n := at.(type) {
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
	if t := at.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 1, 1
}

func nameOf(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}
