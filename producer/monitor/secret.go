package monitor

import (
	"fmt"
	"log/slog"
	"strings"

	"vedette/pipeline/redact"
)

// Secret is a text that fmt, slog and encoders do not show. Convert it to string
// where it is used.
type Secret string

// String returns [redact.Mark], or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redact.Mark
}

// GoString returns what String returns, in quotes.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// MarshalText returns what String returns. It never fails.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// readSecret reads a secret from the monitor file or from a separate file. It
// returns its place, and whether it is set.
func (r mailReader) readSecret(m mapping, key string) (Secret, value, bool) {
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
		text, ok := r.nonEmpty(direct, "a "+key)
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

// secretFile reads a secret from a file, without the newline at its end.
func (r mailReader) secretFile(v value) string {
	const expected = "the path of a file that holds the secret alone"
	data, ok := r.fileText(v, expected)
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

// fileText reads the file that a field names.
func (r *reader) fileText(v value, expected string) (string, bool) {
	name, ok := r.nonEmpty(v, expected)
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

// oneLine reports a secret with a line break, which SMTP cannot carry.
func (r mailReader) oneLine(v value, secret string) {
	if !strings.ContainsAny(secret, "\r\n\x00") {
		return
	}
	hint := ""
	if v.node != nil && v.node.block {
		hint = "write it behind its key, in quotes"
	}
	r.report(v, "a line break or a zero byte in the secret", "one line", hint)
}
