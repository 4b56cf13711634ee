// Package redact removes secrets from texts before they are shown or stored.
package redact

import (
	"strings"
	"unicode/utf8"
)

// Mark replaces a secret.
const Mark = "****"

// MinLength is the length from which a value is searched within words. Shorter
// values occur in too many words.
const MinLength = 4

// Values replaces each value that has at least [MinLength] bytes. See [Redactor]
// for texts that may contain encoded values.
func Values(text string, values ...string) string {
	for _, value := range values {
		if len(value) >= MinLength {
			text = strings.ReplaceAll(text, value, Mark)
		}
	}
	return text
}

// SameWidth returns asterisks as wide as a text, for output in columns.
func SameWidth(text string) string { return strings.Repeat("*", utf8.RuneCountInString(text)) }

// URL replaces the password in a URL (RFC 3986, section 3.2.1), with or without a
// scheme.
func URL(raw string) string {
	start := 0
	if i := strings.Index(raw, "://"); i >= 0 {
		start = i + len("://")
	}
	from, to, found := password(authority(raw[start:], "/?#"))
	if !found {
		return raw
	}
	return raw[:start+from] + Mark + raw[start+to:]
}

// URLs replaces the passwords in all URLs with a scheme in a text, and keeps its
// width. Passwords with a ${…} reference stay, since the reference is no secret.
func URLs(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "://")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("://")
		text = after
		from, to, found := password(authority(after, "/?# \t\"'"))
		if found && !strings.Contains(after[from:to], "${") {
			b.WriteString(after[:from] + SameWidth(after[from:to]))
			text = after[to:]
		}
	}
}

// authority returns the part before any terminating character.
func authority(text, end string) string {
	if i := strings.IndexAny(text, end); i >= 0 {
		return text[:i]
	}
	return text
}

// password locates the password in an authority. Colons within ${…} do not
// separate it from the name.
func password(authority string) (from, to int, found bool) {
	to = strings.LastIndexByte(authority, '@')
	inReference := false
	for i := range max(0, to) {
		switch {
		case strings.HasPrefix(authority[i:], "${"):
			inReference = true
		case authority[i] == '}':
			inReference = false
		case authority[i] == ':' && !inReference:
			return i + 1, to, true
		}
	}
	return 0, 0, false
}
