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
	v, ok := section(root, "routes")
	if !ok {
		return nil
	}
	const expected = "a route such as {match: {groups: [web-*]}, notify: web-team}"
	items, ok := r.list(v, "a list of routes", false)
	if !ok {
		return nil
	}
	routes := make([]route, 0, len(items))
	for _, item := range items {
		m, ok := r.mapping(item, expected, r.keys["routes[]"]...)
		if !ok {
			continue
		}
		var one route
		one.match = r.readMatch(m)
		r.required(m, "notify", "names of recipients")
		one.notify, _ = r.readNotify(m)
		if v, ok := m.get("continue"); ok {
			one.continues = r.boolean(v)
		}
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

func (r recipientReader) pattern(v value) string {
	text, ok := r.nonEmpty(v, aPattern)
	if !ok {
		return ""
	}
	if _, err := path.Match(text, ""); err != nil {
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
		labels[f.key], _ = r.text(named.valueOf(f), "text")
	}
	return labels
}
