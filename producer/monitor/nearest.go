package monitor

import (
	"fmt"
	"strings"
)

// didYouMean is the hint for a word that is none of the known ones, or nothing
// when none of them is near.
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

// distance is how many bytes have to be inserted, removed, replaced or swapped
// with their neighbour to make b of a: the optimal string alignment distance.
// From the limit on, it is the limit.
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

// maxListed bounds a list of names in a message.
const maxListed = 12

// oneOf lists what could have stood somewhere.
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
