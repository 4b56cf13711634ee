package monitor

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"vedette/pipeline/job"
	"vedette/pipeline/redact"
)

// source is a text with its file and place, for showing its lines.
type source struct {
	name   string // the file
	text   string
	base   int     // lines in earlier files
	before int     // lines before the text
	byLine bool    // no secret goes on in the next line
	starts []int   // line offsets, made when first needed
	masker *masker // shared by all sources
}

func (s *source) problem(at value, found, expected, hint string) Problem {
	line, column := max(1, at.line), max(1, at.column)
	return Problem{
		File: s.name, Line: line, Column: column, Field: at.fieldPath(),
		Found: found, Expected: expected, Hint: hint, Source: s.line(line - s.before),
	}
}

// line returns a line, counted from 1, with its secrets masked.
func (s *source) line(number int) string {
	if s.starts == nil {
		s.starts = []int{0}
		for i := range len(s.text) {
			if s.text[i] == '\n' {
				s.starts = append(s.starts, i+1)
			}
		}
	}
	line := s.raw(number)
	if !s.byLine && s.continuesSecret(number, line) {
		return s.masker.hide(line)
	}
	return s.masker.mask(line)
}

// raw returns a line as written.
func (s *source) raw(number int) string {
	if number < 1 || number > len(s.starts) {
		return ""
	}
	line, _, _ := strings.Cut(s.text[s.starts[number-1]:], "\n")
	return strings.TrimSuffix(line, "\r")
}

// continuesSecret reports whether a line may belong to a secret that begins above:
// in the last line, or in the last one with less indentation.
func (s *source) continuesSecret(number int, line string) bool {
	for above := number - 1; above > max(0, number-maxSecretLines); above-- {
		text := s.raw(above)
		if strings.TrimSpace(text) == "" {
			continue
		}
		if indentation(text) < indentation(line) {
			return s.masker.opens(text, true)
		}
		if above == number-1 && s.masker.opens(text, false) {
			return true
		}
	}
	return false
}

// maxSecretLines limits the search for a key above, so that thousands of mistakes
// are reported quickly.
const maxSecretLines = 100

// indentation is the column where the text begins, after list dashes.
func indentation(line string) int {
	return len(line) - len(strings.TrimLeft(line, " -\t"))
}

// place converts a byte offset to line and column.
func place(text string, offset int) (line, column int) {
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	return strings.Count(text[:offset], "\n") + 1, utf8.RuneCountInString(text[start:offset]) + 1
}

// YAML does not allow braces in unquoted text between braces, as in {password:
// ${PASSWORD}}. While YAML is parsed, two noncharacters, which Unicode reserves for
// use inside a program (Unicode 17, section 23.7), replace the braces in references.
// Columns stay the same.
const (
	openBrace  = "\uFDD0"
	closeBrace = "\uFDD1"
)

// protect replaces the braces in all references by noncharacters.
func protect(text string) string {
	if !strings.Contains(text, "${") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + len(text)/16)
	for {
		before, after, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n := referenceLength(after)
		if n > 0 && n < len(after) && after[n] == '}' {
			b.WriteString("$" + openBrace + after[:n] + closeBrace)
			text = after[n+1:]
			continue
		}
		b.WriteString("${")
		text = after
	}
}

// restore undoes protect.
func restore(text string) string {
	if !strings.Contains(text, openBrace) {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, openBrace, "{"), closeBrace, "}")
}

// referenceLength is the length of a reference (a variable or secret name) at the
// start, up to its closing brace.
func referenceLength(text string) int {
	_, rest, secret, err := job.CutReference("${" + text)
	if secret && err == nil {
		return len(text) - len(rest) - 1
	}
	return nameLength(text)
}

// nameLength is the length of a variable name at the start (POSIX.1-2024, section
// 3.216).
func nameLength(text string) int {
	for i, c := range []byte(text) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(text)
}

// masker finds values after keys that hold a secret: quoted texts, closed or not, or
// anything up to what could end the value. It works on single lines, since a file
// with broken YAML has no keys.
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

// opens reports whether a secret may continue in the lines below: deeper lines may
// belong to any secret, others only to one that has not begun.
func (m masker) opens(line string, deeper bool) bool {
	if deeper {
		return m.any.MatchString(line)
	}
	return m.open.MatchString(line)
}

// hide masks a whole line.
func (masker) hide(line string) string {
	text := strings.TrimLeft(line, " \t")
	return line[:len(line)-len(text)] + redact.SameWidth(text)
}

// mask masks the secrets in a line and keeps its width. References are not masked,
// unless they are malformed: such a one may be a secret where its name should be.
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
			b.WriteString(redact.SameWidth(value))
		}
		rest = at[5]
	}
	b.WriteString(line[rest:])
	return redact.URLs(b.String())
}

// isReference reports whether the key secret begins a well-formed reference.
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
