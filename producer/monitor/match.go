package monitor

import (
	"path"

	"vedette/pipeline/job"
)

const aPattern = "a pattern such as web-*"

// match reads which monitors are meant.
func (r *reader) match(m mapping) job.Match {
	var match job.Match
	v, ok := m.get("match")
	if !ok {
		return match
	}
	fields, ok := r.mapping(v, "a mapping such as {groups: [web-*]}", "monitors", "groups", "labels")
	if !ok {
		return match
	}
	match.Monitors = r.patterns(fields, "monitors")
	match.Groups = r.patterns(fields, "groups")
	labels, ok := fields.get("labels")
	if !ok {
		return match
	}
	if named, ok := r.mapping(labels, "label names with patterns"); ok {
		match.Labels = map[string]string{}
		for _, f := range named.fields {
			match.Labels[f.key] = r.pattern(named.valueOf(f))
		}
	}
	return match
}

func (r *reader) patterns(m mapping, key string) []string {
	v, ok := m.get(key)
	if !ok {
		return nil
	}
	items, ok := r.list(v, aPattern+", or a list of them", true)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		r.report(v, "an empty list", "at least one pattern", "leave it out to mean all")
	}
	patterns := make([]string, 0, len(items))
	for _, item := range items {
		patterns = append(patterns, r.pattern(item))
	}
	return patterns
}

func (r *reader) pattern(v value) string {
	text, ok := r.filled(v, aPattern)
	if !ok {
		return ""
	}
	if _, err := path.Match(text, ""); err != nil {
		r.wrongHint(v, aPattern, "[ begins a set of characters, which ] ends")
	}
	return text
}

// labels reads the labels of a monitor.
func (r *reader) labels(m mapping) map[string]string {
	v, ok := m.get("labels")
	if !ok {
		return nil
	}
	named, ok := r.mapping(v, "label names with their values")
	if !ok || len(named.fields) == 0 {
		return nil
	}
	labels := make(map[string]string, len(named.fields))
	for _, f := range named.fields {
		if !job.ValidName(f.key) {
			r.report(named.keyOf(f), quote(f.key), "a label named with "+aName, "")
		}
		labels[f.key], _ = r.text(named.valueOf(f), "text")
	}
	return labels
}
