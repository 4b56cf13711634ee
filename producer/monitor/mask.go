package monitor

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"vedette/pipeline/job"
)

// masker finds what follows a key that holds a secret: a quoted text, closed
// or not, or anything up to what could end it. The text of a line is all there
// is to go by, since a file with broken YAML has no keys yet.
type masker struct{ inBlock, inFlow, open, any *regexp.Regexp }

func newMasker() masker {
	const (
		key    = `(?i)([a-z0-9_-]*(?:password|passwd|secret|token|authorization|cookie|api[-_]?key)["']?\s*:\s*(?:&\S+\s+)?)`
		quoted = `"(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?`
	)
	return masker{
		inBlock: regexp.MustCompile(key + `(` + quoted + `|[^\s"'|>*&].*)`),
		inFlow:  regexp.MustCompile(key + `(` + quoted + `|[^\s"'*&,}][^,}]*)`),
		open:    regexp.MustCompile(key + `([|>][-+0-9]*)?\s*(?:#.*)?$`),
		any:     regexp.MustCompile(key),
	}
}

// opens reports whether a secret may go on in the lines below this one: those
// that are deeper may belong to any, others only to one that has not begun.
func (m masker) opens(line string, deeper bool) bool {
	if deeper {
		return m.any.MatchString(line)
	}
	return m.open.MatchString(line)
}

// hide hides all that a line says.
func (masker) hide(line string) string {
	text := strings.TrimLeft(line, " \t")
	return line[:len(line)-len(text)] + strings.Repeat("*", utf8.RuneCountInString(text))
}

// mask hides the secrets in a line, and keeps its width for the caret's sake.
// A reference to the environment, or to a secret, is none; a malformed one may be
// a secret that somebody put where its name should be.
func (m masker) mask(line string) string {
	pattern := m.inBlock
	if strings.Contains(strings.ReplaceAll(line, "${", ""), "{") {
		pattern = m.inFlow
	}
	var b strings.Builder
	rest := 0
	for _, at := range pattern.FindAllStringSubmatchIndex(line, -1) {
		value := line[at[4]:at[5]]
		b.WriteString(line[rest:at[4]])
		if isReference(line, at[2]) || strings.Contains(value, "${") && wellFormed(value) {
			b.WriteString(value)
		} else {
			b.WriteString(strings.Repeat("*", utf8.RuneCountInString(value)))
		}
		rest = at[5]
	}
	b.WriteString(line[rest:])
	return maskURL(b.String())
}

// isReference reports whether what looks like the key "secret" is the beginning
// of a well-formed reference.
func isReference(line string, key int) bool {
	if !strings.HasSuffix(line[:key], "${") {
		return false
	}
	_, _, begins, err := job.CutReference(line[key-len("${"):])
	return begins && err == nil
}

func wellFormed(text string) bool {
	_, err := job.ExpandReferences(text, func(string) (string, error) { return "", nil })
	return err == nil
}

// maskURL hides the passwords of URLs (RFC 3986, section 3.2.1), and keeps the
// width.
func maskURL(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "://")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("://")
		authority := after
		if end := strings.IndexAny(after, "/?# \t\"'"); end >= 0 {
			authority = after[:end]
		}
		text = after
		at, colon := strings.LastIndexByte(authority, '@'), strings.IndexByte(authority, ':')
		if colon >= 0 && colon < at && !strings.Contains(authority[colon:at], "${") {
			b.WriteString(authority[:colon+1] + strings.Repeat("*", utf8.RuneCountInString(authority[colon+1:at])))
			text = after[at:]
		}
	}
}
