package monitor

import (
	"strings"
	"unicode/utf8"

	"vedette/pipeline/job"
)

// source is a text that is read, for showing its lines.
type source struct {
	name   string // of its file
	text   string
	base   int     // lines of the files that were read before this one
	before int     // lines of the file before the text
	byLine bool    // no secret goes on in the next line
	starts []int   // of each line; made when a line is first asked for
	masker *masker // shared by all sources of a file
}

func (s *source) problem(at value, found, expected, hint string) Problem {
	line, column := max(1, at.line), max(1, at.column)
	return Problem{
		File: s.name, Line: line, Column: column, Field: at.fieldPath(),
		Found: found, Expected: expected, Hint: hint, Source: s.line(line - s.before),
	}
}

// line returns a line, counted from 1, as it is written except for its secrets.
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

// raw returns a line as it is written.
func (s *source) raw(number int) string {
	if number < 1 || number > len(s.starts) {
		return ""
	}
	line, _, _ := strings.Cut(s.text[s.starts[number-1]:], "\n")
	return strings.TrimSuffix(line, "\r")
}

// continuesSecret reports whether a line may be part of a secret whose key
// stands in a line above: the last one, or the last that is less indented.
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

// maxSecretLines bounds how far above its last line a secret's key is looked
// for, so that thousands of mistakes are still told in no time.
const maxSecretLines = 100

// indentation is the column of what a line says, after the dashes of lists.
func indentation(line string) int {
	return len(line) - len(strings.TrimLeft(line, " -\t"))
}

// place returns line and column of a byte.
func place(text string, offset int) (line, column int) {
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	return strings.Count(text[:offset], "\n") + 1, utf8.RuneCountInString(text[start:offset]) + 1
}

// Braces are not allowed in plain text between braces, so that
//
//	{password: ${PASSWORD}}
//
// would not be YAML. While YAML is read, the braces of a reference are stood
// for by two noncharacters, which Unicode keeps for such use inside a program
// (Unicode 17, section 23.7); as they are characters to YAML, columns stay.
const (
	openBrace  = "\uFDD0"
	closeBrace = "\uFDD1"
)

// protect puts noncharacters for the braces of all references.
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

// restore puts back the braces that protect took.
func restore(text string) string {
	if !strings.Contains(text, openBrace) {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, openBrace, "{"), closeBrace, "}")
}

// referenceLength is how many bytes at the start of text a reference is made of
// before its closing brace: the name of a variable, or that of a secret.
func referenceLength(text string) int {
	_, rest, secret, err := job.CutReference("${" + text)
	if secret && err == nil {
		return len(text) - len(rest) - 1
	}
	return nameLength(text)
}

// nameLength is how many bytes at the start of text are a variable's name: a
// letter or _, then letters, digits and _ (POSIX.1-2024, section 3.216).
func nameLength(text string) int {
	for i, c := range []byte(text) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(text)
}
