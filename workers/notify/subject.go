package notify

import (
	"fmt"
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
	all, tags := countTags(lines)
	if reminder {
		return reminderSubject(lines, now)
	}
	if len(tags) > 1 {
		parts := make([]string, len(tags))
		for i, t := range tags {
			parts[i] = fmt.Sprintf("%s ×%d", t.tag, t.n)
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
	case first.Parent != "" && haveParent(lines, first.Parent):
		return formatSubject(label, "monitors that depend on "+first.Parent, "")
	default:
		return formatSubject(label, monitorNames(lines, all), "")
	}
}

func reminderSubject(lines []Line, now time.Time) string {
	first := &lines[0]
	label := "STILL " + string(first.tag())
	if len(lines) == 1 {
		return formatSubject(label, first.Incident.Monitor, "for "+HumanDuration(now.Sub(first.Incident.Began)))
	}
	return formatSubject(fmt.Sprintf("%s ×%d", label, len(lines)), monitorNames(lines, len(lines)), "")
}

type tagCount struct {
	tag tag
	n   int
}

// countTags counts monitors with their dependents, in all and by tag.
func countTags(lines []Line) (all int, tags []tagCount) {
	for i := range lines {
		n := 1 + len(lines[i].Dependents)
		all += n
		known := false
		for j := range tags {
			if tags[j].tag == lines[i].tag() {
				tags[j].n += n
				known = true
			}
		}
		if !known {
			tags = append(tags, tagCount{lines[i].tag(), n})
		}
	}
	return all, tags
}

func haveParent(lines []Line, parent string) bool {
	for i := range lines {
		if lines[i].Parent != parent {
			return false
		}
	}
	return true
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
