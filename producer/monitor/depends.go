package monitor

import (
	"slices"
	"strings"

	"vedette/pipeline/compact"
)

// dependsOn reads what a monitor depends on. Whether those are there shows when
// all monitors are read.
func (w *watch) dependsOn(m mapping, name string) []string {
	v, ok := w.get(m, "depends_on")
	if !ok {
		return nil
	}
	items, ok := w.list(v, "a name of a monitor, or a list of them", true)
	if !ok {
		return nil
	}
	var names []string
	for _, item := range items {
		parent, ok := w.filled(item, "a name of a monitor")
		switch {
		case !ok:
		case parent == name:
			w.report(item, item.describe(), "another monitor", "nothing depends on itself")
		case slices.Contains(names, parent):
			w.report(item, item.describe()+" again", "each monitor once", "")
		default:
			names = append(names, parent)
			w.depends = append(w.depends, dependency{child: name, parent: parent, at: item})
		}
	}
	return names
}

// dependency is that one monitor depends on another, and where it says so.
type dependency struct {
	child, parent string
	at            value
}

// checkDepends reports dependencies on what is not there, and those that lead
// in a circle: each circle once, where it is closed.
func (w *watch) checkDepends() {
	parents := map[string][]dependency{}
	for _, d := range w.depends {
		if w.line(d.parent) == 0 {
			known := make([]string, 0, w.known.Len())
			w.known.All(func(id compact.ID) bool {
				known = append(known, string(w.known.Name(id)))
				return true
			})
			slices.Sort(known)
			w.report(d.at, d.at.describe(), "the name of a monitor in this file", didYouMean(d.parent, known))
			continue
		}
		parents[d.child] = append(parents[d.child], d)
	}
	c := circles{reader: w.reader, parents: parents, state: map[string]int{}}
	for _, d := range w.depends {
		c.visit(d.child)
	}
}

// circles looks for circles, depth first: what is being visited when it is met
// again is on one.
type circles struct {
	*reader

	parents map[string][]dependency
	state   map[string]int // visiting or visited
	path    []string
}

const (
	visiting = 1
	visited  = 2
)

func (c *circles) visit(name string) {
	if c.state[name] != 0 {
		return
	}
	c.state[name] = visiting
	c.path = append(c.path, name)
	for _, d := range c.parents[name] {
		if c.state[d.parent] == visiting {
			circle := append(slices.Clone(c.path[slices.Index(c.path, d.parent):]), d.parent)
			c.report(d.at, "a circle: "+strings.Join(circle, " → "), "dependencies that end somewhere", "")
			continue
		}
		c.visit(d.parent)
	}
	c.path = c.path[:len(c.path)-1]
	c.state[name] = visited
}
