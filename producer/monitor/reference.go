package monitor

import (
	_ "embed"
	"reflect"
	"strings"

	"vedette/pipeline/job"
)

// keyTable lists the keys. Tests compare its defaults with those of the reader.
//
//go:embed keys.txt
var keyTable string

// Key describes a key in the monitor file, for the manual and for editors.
type Key struct {
	// Path leads to the key, such as monitors[].http.url: [] follows the name of a
	// list, and a word in capitals is a placeholder for a user-defined name.
	Path string
	// Type is one of the constants below.
	Type string
	// Default is written as in the file, or described in parentheses. It is empty for
	// required keys, and for keys that have no effect when they are left out.
	Default string
	// Unit is the unit for a number.
	Unit string
	// Required reports whether the mapping must have the key.
	Required bool
	// Meaning is a sentence without its full stop.
	Meaning string
	// Example is a value as written in YAML. It is empty for mappings, and for lists
	// of mappings.
	Example string
}

// Types for [Key]. A list with one item may be written as that item.
const (
	TypeText     = "text"
	TypeNumber   = "number"
	TypeBoolean  = "true or false"
	TypeDuration = "duration"
	TypeList     = "list"
	TypeMapping  = "mapping"
)

// Keys returns all keys, in the order of the manual. The reader accepts these keys
// and no others.
func Keys() []Key {
	groups := map[string][]Key{}
	group := ""
	for line := range strings.Lines(keyTable) {
		path, cells := cutCells(line)
		added, includes := strings.CutPrefix(cells[0], "+ ")
		switch {
		case path == "", path[0] == '#':
		case path[0] == '[':
			group = strings.Trim(path, "[]")
		case includes:
			keys := groups[added]
			if added == "probes" {
				keys = probeKeys(keys)
			}
			for _, key := range keys {
				key.Path = path + "." + key.Path
				groups[group] = append(groups[group], key)
			}
		default:
			key := Key{Path: path, Type: cells[0], Meaning: cells[1], Example: cells[2], Default: cells[3], Unit: cells[4]}
			if key.Required = key.Default == "(required)"; key.Required {
				key.Default = ""
			}
			groups[group] = append(groups[group], key)
		}
	}
	return groups["file"]
}

// cutCells splits a line in the table into its path and the five cells after it.
func cutCells(line string) (path string, cells [5]string) {
	path, rest, _ := strings.Cut(line, "|")
	for i := range cells {
		var cell string
		cell, rest, _ = strings.Cut(rest, "|")
		cells[i] = strings.TrimSpace(cell)
	}
	return strings.TrimSpace(path), cells
}

// keyNames lists the keys below each path.
func keyNames() map[string][]string {
	names := map[string][]string{}
	for _, key := range Keys() {
		parent, name := "", key.Path
		if i := strings.LastIndexByte(key.Path, '.'); i >= 0 {
			parent, name = key.Path[:i], key.Path[i+1:]
		}
		names[parent] = append(names[parent], name)
	}
	return names
}

// probeKeys returns the keys of all probes, in the order of their structs. texts has
// what the structs do not say, by path, or by struct and key where probes share a
// struct.
func probeKeys(texts []Key) []Key {
	byPath := map[string]Key{}
	for _, key := range texts {
		byPath[key.Path] = key
	}
	var keys []Key
	for _, kind := range probeFields(reflect.TypeFor[job.Spec]()) {
		if key, ok := byPath[kind.name]; ok {
			key.Type = TypeMapping
			keys = append(append(keys, key), structKeys(kind.name, kind.typ, byPath)...)
		}
	}
	return keys
}

// structKeys returns the keys of the fields in a struct.
func structKeys(parent string, t reflect.Type, texts map[string]Key) []Key {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var keys []Key
	for _, f := range probeFields(t) {
		key, ok := texts[parent+"."+f.name]
		if !ok {
			key = texts[f.owner+"."+f.name]
		}
		key.Path, key.Type, key.Required = parent+"."+f.name, typeOf(f.typ), f.has("required")
		keys = append(keys, key)
		switch inner := f.typ; {
		case inner.Kind() == reflect.Slice:
			keys = append(keys, structKeys(key.Path+"[]", inner.Elem(), texts)...)
		case inner.Kind() == reflect.Pointer && inner.Elem().Kind() == reflect.Struct:
			keys = append(keys, structKeys(key.Path, inner, texts)...)
		}
	}
	return keys
}

func typeOf(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[job.Duration]():
		return TypeDuration
	case t.Kind() == reflect.Int:
		return TypeNumber
	case t.Kind() == reflect.Bool:
		return TypeBoolean
	case t.Kind() == reflect.Slice:
		return TypeList
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return TypeMapping
	default:
		return TypeText
	}
}
