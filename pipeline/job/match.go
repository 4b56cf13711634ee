package job

import "path"

// Match selects monitors. Every part that is set must match; an empty Match
// selects all. Monitors and Groups are [path.Match] patterns, of which one must
// match; each label's value is such a pattern too.
type Match struct {
	Monitors []string          `json:"monitors,omitempty"`
	Groups   []string          `json:"groups,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
}

// Matches reports whether a monitor is selected.
func (m Match) Matches(name, group string, labels map[string]string) bool {
	if !anyMatches(m.Monitors, name) || !anyMatches(m.Groups, group) {
		return false
	}
	for label, pattern := range m.Labels {
		value, labelled := labels[label]
		if !labelled || !matches(pattern, value) {
			return false
		}
	}
	return true
}

func anyMatches(patterns []string, text string) bool {
	for _, pattern := range patterns {
		if matches(pattern, text) {
			return true
		}
	}
	return len(patterns) == 0
}

// matches compares literally where the pattern is invalid; readers refuse such
// patterns.
func matches(pattern, text string) bool {
	ok, err := path.Match(pattern, text)
	return ok || err != nil && pattern == text
}
