package monitor

import (
	"strings"
)

// secret reads a secret that stands in the file, or in a file of its own. It
// returns where it was set, and whether it was.
func (r *reader) secret(m mapping, key string) (Secret, value, bool) {
	direct, hasDirect := m.get(key)
	file, hasFile := m.get(key + "_file")
	direct.secret = true
	for _, f := range m.fields {
		if f.key == key { // not where an alias leads: masks go by the key
			direct.line, direct.column = f.valueLine, f.valueColumn
		}
	}
	switch {
	case hasDirect && hasFile:
		r.report(file, key+" and "+key+"_file", "one of them", "")
		return "", file, true
	case hasDirect:
		text, ok := r.filled(direct, "a "+key)
		if ok {
			r.oneLine(direct, text)
		}
		return Secret(text), direct, true
	case hasFile:
		return Secret(r.secretFile(file)), file, true
	default:
		return "", direct, false
	}
}

// secretFile reads a secret from a file. The newline that editors leave at its
// end is no part of it.
func (r *reader) secretFile(v value) string {
	const expected = "the path of a file that holds the secret alone"
	data, ok := r.contents(v, expected)
	if !ok {
		return ""
	}
	text := strings.TrimSuffix(strings.TrimSuffix(data, "\n"), "\r")
	if text == "" {
		r.report(v, v.describe()+", which is empty", expected, "")
		return ""
	}
	r.oneLine(v, text)
	return text
}

// beside is the path that a field names. Relative ones start from the folder of
// the monitor file.
func (r *reader) beside(v value) string {
	name, _ := r.text(v, "a path")
	return r.inFolder(name)
}

// contents reads the file that a field names. Relative paths start from the folder
// of the monitor file.
func (r *reader) contents(v value, expected string) (string, bool) {
	name, ok := r.filled(v, expected)
	if !ok {
		return "", false
	}
	data, err := r.options.readFile(r.inFolder(name))
	if err != nil {
		r.report(v, v.describe()+", which cannot be read ("+err.Error()+")", expected, "relative paths start from the folder of this file")
		return "", false
	}
	return string(data), true
}

// oneLine refuses secrets that a protocol of lines would not carry.
func (r *reader) oneLine(v value, secret string) {
	if !strings.ContainsAny(secret, "\r\n\x00") {
		return
	}
	hint := ""
	if v.node != nil && v.node.block {
		hint = "write it behind its key, in quotes"
	}
	r.report(v, "a line break or a zero byte in the secret", "one line", hint)
}
