package monitor

import (
	"slices"

	"vedette/pipeline/job"
)

// route says who is told of monitors that do not say it themselves.
type route struct {
	match  job.Match
	notify []string
	goOn   bool
}

func (r *reader) readRoutes(root mapping) []route {
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
		m, ok := r.mapping(item, expected, "match", "notify", "continue")
		if !ok {
			continue
		}
		var one route
		one.match = r.match(m)
		r.required(m, "notify", "names of recipients")
		one.notify, _ = r.notify(m)
		if v, ok := m.get("continue"); ok {
			one.goOn = r.boolean(v)
		}
		routes = append(routes, one)
	}
	return routes
}

// routed returns who is told of a monitor by the routes: those of the first
// that fits, and of the next ones for as long as each says to go on.
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
		if !one.goOn {
			break
		}
	}
	return names, fits
}
