package monitor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a monitor file, or one warning about it.
type Problem struct {
	File string
	// Line and Column begin at 1; columns count characters.
	Line, Column int
	// Field is the path to the field, such as monitors[1].timeout; empty when
	// the mistake is not one field's.
	Field string
	// Found is what stands there and Expected what should. Neither shows a
	// secret or a value that came from the environment.
	Found, Expected string
	// Hint is a way out; empty when there is none to tell.
	Hint string
	// Source is the line as it is written in the file, secrets masked.
	Source string
}

// String tells the mistake in a line, and shows the source line, a caret below
// the column, and the hint in lines of their own.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	fmt.Fprintf(&b, "found %s, expected %s", p.Found, p.Expected)
	if strings.TrimSpace(p.Source) != "" {
		line, caret := window([]rune(p.Source), p.Column-1)
		fmt.Fprintf(&b, "\n  %s\n  %s^", line, caret)
	}
	if p.Hint != "" {
		b.WriteString("\n  hint: " + p.Hint)
	}
	return b.String()
}

// maxWidth and lead are how much of a long source line is shown, and how much
// of that before the column.
const (
	maxWidth = 160
	lead     = 60
)

// window cuts a line around a column, and returns what has to stand before the
// caret in the line below.
func window(line []rune, column int) (shown, caret string) {
	column = max(0, min(column, len(line)))
	if len(line) > maxWidth {
		start := max(0, column-lead)
		line, column = line[start:min(len(line), start+maxWidth)], column-start
	}
	before := slices.Clone(line[:column])
	for i, c := range before {
		if c != '\t' {
			before[i] = ' '
		}
	}
	return string(line), string(before)
}

// InvalidError is returned for a monitor file with mistakes: all of them, by
// line.
type InvalidError struct {
	Problems []Problem
}

// maxShown bounds the text of an InvalidError, not its Problems.
const maxShown = 100

// Error tells the mistakes, the first hundred of them in full.
func (e *InvalidError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == maxShown {
			fmt.Fprintf(&b, "… and %d more mistakes\n", len(e.Problems)-maxShown)
			break
		}
		b.WriteString(p.String() + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// tidy sorts problems by place, in the order of the files. What an anchor brings
// into many monitors is wrong in one place, and reported once.
func tidy(problems []Problem, files []string) []Problem {
	order := make(map[string]int, len(files))
	for i, file := range files {
		order[file] = i
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	type essence struct {
		file                  string
		line, column          int
		found, expected, hint string
	}
	seen := make(map[essence]bool, len(problems))
	return slices.DeleteFunc(problems, func(p Problem) bool {
		key := essence{p.File, p.Line, p.Column, p.Found, p.Expected, p.Hint}
		known := seen[key]
		seen[key] = true
		return known
	})
}
