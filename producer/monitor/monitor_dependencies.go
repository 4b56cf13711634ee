package monitor

import (
	"slices"
	"strings"

	"vedette/pipeline/compact"
)

// readDependencies reads the names in depends_on. They are resolved after all
// monitors are read.
func (c *collector) readDependencies(m mapping, name string) []string {
	items, _ := c.entries(m, "depends_on", "a name of a monitor")
	kept := c.keptSource()
	var names []string
	for _, item := range items {
		parent, ok := c.nonEmpty(item, "a name of a monitor")
		switch {
		case !ok:
		case parent == name:
			c.report(item, item.describe(), "another monitor", "nothing depends on itself")
		case slices.Contains(names, parent):
			c.report(item, item.describe()+" again", "each monitor once", "")
		default:
			names = append(names, parent)
			c.depends = append(c.depends, c.dependency(name, parent, item, kept))
		}
	}
	return names
}

// dependency is a child's depends_on entry, and its place.
type dependency struct {
	child, parent string
	at            value
	source        *source
}

// dependency returns a dependency that does not keep its batch in memory.
func (c *collector) dependency(child, parent string, at value, kept *source) dependency {
	if kept != c.source {
		child, parent = strings.Clone(child), strings.Clone(parent)
		at.node = &node{kind: kindText, text: strings.Clone(at.node.text)}
	}
	return dependency{child: child, parent: parent, at: at, source: kept}
}

// checkDependencies reports dependencies on unknown monitors, and each circle once,
// at the entry that closes it.
func (c *collector) checkDependencies() {
	var names []string // for hints
	parents := map[string][]dependency{}
	for _, d := range c.depends {
		if c.place(d.parent) > 0 {
			parents[d.child] = append(parents[d.child], d)
			continue
		}
		if names == nil {
			names = c.sortedNames()
		}
		c.problems = append(c.problems, d.source.problem(d.at, d.at.describe(), "the name of a monitor in this file", didYouMean(d.parent, names)))
	}
	s := cycles{reader: c.reader, parents: parents, state: map[string]int{}}
	for _, d := range c.depends {
		s.visit(d.child)
	}
}

func (c *collector) sortedNames() []string {
	names := make([]string, 0, c.known.Len())
	c.known.All(func(id compact.ID) bool {
		names = append(names, string(c.known.Name(id)))
		return true
	})
	slices.Sort(names)
	return names
}

// cycles finds circles, depth first: a monitor that is reached while it is being
// visited is on one.
type cycles struct {
	*reader

	parents map[string][]dependency
	state   map[string]int // visiting or visited
	path    []string
}

const (
	visiting = 1
	visited  = 2
)

func (s *cycles) visit(name string) {
	if s.state[name] != 0 {
		return
	}
	s.state[name] = visiting
	s.path = append(s.path, name)
	for _, d := range s.parents[name] {
		if s.state[d.parent] == visiting {
			circle := append(slices.Clone(s.path[slices.Index(s.path, d.parent):]), d.parent)
			s.problems = append(s.problems, d.source.problem(d.at, "a circle: "+strings.Join(circle, " → "), "dependencies that end somewhere", ""))
			continue
		}
		s.visit(d.parent)
	}
	s.path = s.path[:len(s.path)-1]
	s.state[name] = visited
}
