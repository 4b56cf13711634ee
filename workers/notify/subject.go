package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// maxSubject keeps a subject within what mail readers show; RFC 5322 section
	// 2.1.1 would allow 998 characters.
	maxSubject = 120
	// maxNames is how many monitors a subject names.
	maxNames = 2
)

// formatSubject is "[TAG] what: rest", on one line and not too long.
func formatSubject(tag, what, rest string) string {
	text := "[" + tag + "] " + what
	if rest != "" {
		text += ": " + rest
	}
	whole := []rune(text)
	if len(whole) > maxSubject {
		return string(whole[:maxSubject-1]) + "…"
	}
	return text
}

// subjectOf is a mail's subject. The lines are the main ones, one for each
// monitor.
func subjectOf(lines []Line, reminder bool, now time.Time) string {
	first := &lines[0]
	all, tags, counts := countTags(lines)
	if reminder {
		return reminderSubject(lines, now)
	}
	if len(tags) > 1 {
		var parts []string
		for _, t := range tags {
			parts = append(parts, fmt.Sprintf("%s ×%d", t, counts[t]))
		}
		return formatSubject(strings.Join(parts, ", "), monitorNames(lines, all), "")
	}
	label := string(first.tag())
	if all > 1 {
		label += fmt.Sprintf(" ×%d", all)
	}
	dependents := len(first.Dependents)
	switch {
	case len(lines) == 1 && dependents > 0:
		return formatSubject(label, first.Incident.Monitor, fmt.Sprintf("%s, and %d that depend on it", summary(first, now), dependents))
	case len(lines) == 1 && first.Parent != "" && first.tag() == tagDown:
		return formatSubject(label, first.Incident.Monitor, summary(first, now)+", depends on "+first.Parent)
	case len(lines) == 1:
		return formatSubject(label, first.Incident.Monitor, summary(first, now))
	case first.Parent != "" && !slices.ContainsFunc(lines, func(l Line) bool { return l.Parent != first.Parent }):
		return formatSubject(label, "monitors that depend on "+first.Parent, "")
	default:
		return formatSubject(label, monitorNames(lines, all), "")
	}
}

func reminderSubject(lines []Line, now time.Time) string {
	first := &lines[0]
	label := "STILL " + string(first.tag())
	if len(lines) == 1 {
		return formatSubject(label, first.Incident.Monitor, "for "+first.lasting(now)+nowText(first))
	}
	return formatSubject(fmt.Sprintf("%s ×%d", label, len(lines)), monitorNames(lines, len(lines)), "")
}

// countTags counts monitors with their dependents, in all and by tag.
func countTags(lines []Line) (all int, tags []tag, counts map[tag]int) {
	tags, counts = countBy(lines, func(l *Line) (tag, int) { return l.tag(), 1 + len(l.Dependents) })
	for _, n := range counts {
		all += n
	}
	return all, tags, counts
}

func monitorNames(lines []Line, all int) string {
	shown := make([]string, 0, maxNames)
	for i := range lines[:min(maxNames, len(lines))] {
		shown = append(shown, lines[i].Incident.Monitor)
	}
	if rest := all - len(shown); rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(shown, ", "), rest)
	}
	return strings.Join(shown, " and ")
}
