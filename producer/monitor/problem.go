package monitor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is a mistake in a monitor file, or a warning about it.
type Problem struct {
	File string
	// Line and Column start at 1; columns count characters.
	Line, Column int
	// Field is the path to the field, such as monitors[1].timeout; empty if the
	// mistake concerns no single field.
	Field string
	// Found and Expected show neither secrets nor values from the environment.
	Found, Expected string
	// Hint suggests a solution; it may be empty.
	Hint string
	// Source is the line in the file, with secrets masked.
	Source string
}

// String returns the mistake in a line, then the source line, a caret below the
// column, and the hint.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	fmt.Fprintf(&b, "found %s, expected %s", p.Found, p.Expected)
	if strings.TrimSpace(p.Source) != "" {
		line, caret := excerpt([]rune(p.Source), p.Column-1)
		fmt.Fprintf(&b, "\n  %s\n  %s^", line, caret)
	}
	if p.Hint != "" {
		b.WriteString("\n  hint: " + p.Hint)
	}
	return b.String()
}

// maxWidth limits the excerpt from a long source line, lead the part before the
// column.
const (
	maxWidth = 160
	lead     = 60
)

// excerpt returns the part around a column, and the indentation for the caret below
// it.
func excerpt(line []rune, column int) (shown, caret string) {
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

// InvalidError has all mistakes in a monitor file, by line.
type InvalidError struct {
	Problems []Problem
}

// maxShown limits the mistakes in the message, not those in Problems.
const maxShown = 100

// Error returns the first hundred mistakes.
func (e *InvalidError) Error() string { return errors.Join(e.Unwrap()...).Error() }

// Unwrap returns an error for each of the first hundred mistakes.
func (e *InvalidError) Unwrap() []error {
	var shown []error
	for _, p := range e.Problems[:min(maxShown, len(e.Problems))] {
		shown = append(shown, errors.New(p.String()))
	}
	if more := len(e.Problems) - maxShown; more > 0 {
		shown = append(shown, fmt.Errorf("… and %d more mistakes", more))
	}
	return shown
}

// tidy sorts problems by file, line and column, and removes repeated ones: an anchor
// brings the same mistake into many monitors.
func tidy(problems []Problem, files []string) []Problem {
	order := make(map[string]int, len(files))
	for i, file := range files {
		order[file] = i
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	seen := make(map[Problem]bool, len(problems))
	return slices.DeleteFunc(problems, func(p Problem) bool {
		p.Field, p.Source = "", "" // which depend on how the anchor was reached
		known := seen[p]
		seen[p] = true
		return known
	})
}

// didYouMean returns a hint with the most similar known word, or nothing.
func didYouMean(word string, known []string) string {
	best, least := "", len(word)/3+2
	for _, candidate := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate), least); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance is the optimal string alignment distance: how many bytes to insert,
// remove, replace or swap with their neighbour to turn a into b. It is at most
// limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

// maxListed limits how many names a message lists.
const maxListed = 12

// oneOf lists the allowed names.
func oneOf(names []string) string {
	switch {
	case len(names) == 1:
		return names[0]
	case len(names) > maxListed:
		return fmt.Sprintf("one of %s, … (%d in all)", strings.Join(names[:maxListed], ", "), len(names))
	default:
		return "one of " + strings.Join(names, ", ")
	}
}
