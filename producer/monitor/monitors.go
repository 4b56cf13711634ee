package monitor

import (
	"fmt"
	"reflect"
	"strings"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// collector collects the monitors in a text.
type collector struct {
	*reader

	defaults   defaults
	monitors   []job.Monitor
	known      *compact.Map[uint32]     // place by name, with the definition if that is to be encoded
	elsewhere  func(name string) uint32 // place in what was read before, zero for none
	count      int                      // items, with or without mistakes
	kinds      []string                 // probe kinds
	structs    map[reflect.Type][]probeField
	depends    []dependency
	unnotified unnotified
	current    line // in a monitors_file
}

// unnotified are the monitors that notify no one because neither they nor the
// defaults set notify.
type unnotified struct {
	first  value
	source *source
	names  []string // the first few
	count  int
}

func newCollector(r *reader, d defaults) *collector {
	return &collector{
		reader: r, defaults: d, known: &compact.Map[uint32]{}, elsewhere: func(string) uint32 { return 0 },
		kinds: job.Kinds(), structs: map[reflect.Type][]probeField{},
	}
}

// readMonitors reads the sections monitors and monitors_file.
func readMonitors(r *reader, root mapping, d defaults) *collector {
	c := newCollector(r, d)
	list, _ := root.get("monitors")
	if v, ok := section(root, "monitors"); ok {
		c.addList(v)
	}
	c.readFiles(root)
	if c.count == 0 && len(r.problems) == 0 {
		note := r.warn
		if r.options.NeedMonitors {
			note = r.report
		}
		note(list, "no monitors", "at least one", "nothing is watched")
	}
	c.checkDependencies()
	c.warnUnnotified()
	return c
}

// progressStep is how many monitors are read between two progress reports.
const progressStep = 1000

func (c *collector) addList(v value) {
	items, ok := c.list(v, "a list of monitors", false)
	if !ok {
		return
	}
	for i, item := range items {
		c.add(item)
		c.count++
		if i%progressStep == progressStep-1 {
			c.progress()
		}
	}
}

func (c *collector) progress() {
	if c.options.Progress != nil {
		c.options.Progress(c.count)
	}
}

// keep stores a monitor without mistakes.
func (c *collector) keep(m mapping, monitor job.Monitor) {
	if !c.options.Encode {
		c.monitors = append(c.monitors, monitor)
		return
	}
	body, err := job.Encode(monitor)
	if err != nil {
		c.report(m.value, fmt.Sprintf("what cannot be stored (%v)", err), "a monitor that can", "")
		return
	}
	place := c.place(monitor.Name)
	*c.known.Value(c.known.Put(monitor.Name, body)) = place
}

// place returns where the monitor with a name is, zero if there is none.
func (c *collector) place(name string) uint32 {
	if id, ok := c.known.Find(name); ok {
		return *c.known.Value(id)
	}
	return c.elsewhere(name)
}

// merge adds the monitors from a collector whose names are all new.
func (c *collector) merge(part *collector) {
	part.known.All(func(id compact.ID) bool {
		*c.known.Value(c.known.Put(string(part.known.Name(id)), part.known.Text(id))) = *part.known.Value(id)
		return true
	})
	c.problems = append(c.problems, part.problems...)
	c.monitors = append(c.monitors, part.monitors...)
	c.depends = append(c.depends, part.depends...)
	c.count += part.count
	if c.unnotified.count == 0 {
		c.unnotified = part.unnotified
		return
	}
	c.unnotified.count += part.unnotified.count
	c.unnotified.names = append(c.unnotified.names, part.unnotified.names[:min(len(part.unnotified.names), maxListed-len(c.unnotified.names))]...)
}

// sharesNames reports whether part has a name that is taken.
func (c *collector) sharesNames(part *collector) bool {
	taken := false
	part.known.All(func(id compact.ID) bool {
		_, taken = c.known.Find(string(part.known.Name(id)))
		return !taken
	})
	return taken
}

// addUnnotified records a monitor that notifies no one by omission.
func (c *collector) addUnnotified(m mapping, name string) {
	if c.unnotified.count == 0 {
		c.unnotified.first, _ = m.get("notify")
		c.unnotified.source = c.source
	}
	if len(c.unnotified.names) < maxListed {
		c.unnotified.names = append(c.unnotified.names, name)
	}
	c.unnotified.count++
}

// warnUnnotified adds one warning for all unnotified monitors.
func (c *collector) warnUnnotified() {
	n := c.unnotified.count
	if n == 0 {
		return
	}
	found := "no notify, here or in defaults"
	if n > 1 {
		found = fmt.Sprintf("no notify in %d monitors, of which this is the first, or in defaults", n)
	}
	names := strings.Join(c.unnotified.names, ", ")
	if n > len(c.unnotified.names) {
		names += fmt.Sprintf(" and %d more", n-len(c.unnotified.names))
	}
	c.warnings = append(c.warnings, c.unnotified.source.problem(c.unnotified.first, found, "names of recipients",
		"no one gets mail about "+names+"; notify: [] says that this is meant"))
}
