package monitor

import (
	"path"
	"slices"

	"vedette/pipeline/job"
)

// route sets the recipients for monitors without notify.
type route struct {
	match     job.Match
	notify    []string
	continues bool
}

func (r recipientReader) readRoutes(root mapping) []route {
	var routes []route
	for _, m := range r.sectionItems(root, "routes", "a list of routes", "a route such as {match: {groups: [web-*]}, notify: web-team}") {
		var one route
		one.match = r.readMatch(m)
		r.required(m, "notify", "names of recipients")
		one.notify, _ = r.recipientNames(m, "notify")
		r.setBoolean(m, "continue", &one.continues)
		routes = append(routes, one)
	}
	return routes
}

// routed returns the recipients from the first route that matches, and from later
// ones as long as each continues.
func routed(routes []route, m *job.Monitor) (names []string, fits bool) {
	for _, one := range routes {
		if !one.match.Matches(m.Name, m.Group, m.Labels) {
			continue
		}
		fits = true
		for _, name := range one.notify {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if !one.continues {
			break
		}
	}
	return names, fits
}

const aPattern = "a pattern such as web-*"

// readMatch reads which monitors match.
func (r recipientReader) readMatch(m mapping) job.Match {
	var match job.Match
	v, ok := m.get("match")
	if !ok {
		return match
	}
	fields, ok := r.mapping(v, "a mapping such as {groups: [web-*]}", r.keys["routes[].match"]...)
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

func (r recipientReader) patterns(m mapping, key string) []string {
	r.notEmpty(m, key, "at least one pattern", "leave it out to mean all")
	items, _ := r.entries(m, key, aPattern)
	var patterns []string
	for _, item := range items {
		patterns = append(patterns, r.pattern(item))
	}
	return patterns
}

func (r recipientReader) pattern(v value) string {
	text, ok := r.nonEmpty(v, aPattern)
	if _, err := path.Match(text, ""); ok && err != nil {
		r.rejectWithHint(v, aPattern, "[ begins a set of characters, which ] ends")
	}
	return text
}

// readLabels reads a monitor's labels.
func (r recipientReader) readLabels(m mapping) map[string]string {
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
		labels[f.key], _ = r.readText(named.valueOf(f), "text")
	}
	return labels
}
