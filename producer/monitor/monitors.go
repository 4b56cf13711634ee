package monitor

import (
	"fmt"
	"reflect"
	"strings"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// collector collects the monitors of a text.
type collector struct {
	*reader

	defaults  defaults
	monitors  []job.Monitor
	known     *compact.Map[uint32]     // place by name, with the definition if that is to be encoded
	elsewhere func(name string) uint32 // place in what was read before, zero for none
	count     int                      // of items, good or bad
	keys      []string                 // that a monitor may have
	kinds     []string                 // of probes
	structs   map[reflect.Type][]probeField
	depends   []dependency
	silent    silence
	current   line // of a text that is read by lines
}

// silence is which monitors notify nothing because neither they nor the defaults
// name recipients.
type silence struct {
	first  value
	source *source
	names  []string // of the first few
	count  int
}

func newCollector(r *reader, d defaults) *collector {
	return &collector{
		reader: r, defaults: d, known: &compact.Map[uint32]{}, elsewhere: func(string) uint32 { return 0 },
		keys: monitorKeys(), kinds: job.Kinds(), structs: map[reflect.Type][]probeField{},
	}
}

// readMonitors reads the list of monitors and the files of further ones.
func (r *reader) readMonitors(root mapping, d defaults) *collector {
	c := newCollector(r, d)
	list, _ := root.get("monitors")
	if v, ok := section(root, "monitors"); ok {
		c.addList(v)
	}
	c.readFiles(root)
	if c.count == 0 && len(r.problems) == 0 {
		r.warn(list, "no monitors", "at least one", "nothing is watched")
	}
	c.checkDependencies()
	c.warnSilent()
	return c
}

// progressStep is after how many monitors of a list progress is reported.
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

// place is where the monitor with a name stands, zero if there is none.
func (c *collector) place(name string) uint32 {
	if id, ok := c.known.Find(name); ok {
		return *c.known.Value(id)
	}
	return c.elsewhere(name)
}

// merge adds what another collector has. Their names differ.
func (c *collector) merge(part *collector) {
	part.known.All(func(id compact.ID) bool {
		*c.known.Value(c.known.Put(string(part.known.Name(id)), part.known.Text(id))) = *part.known.Value(id)
		return true
	})
	c.problems = append(c.problems, part.problems...)
	c.monitors = append(c.monitors, part.monitors...)
	c.depends = append(c.depends, part.depends...)
	c.count += part.count
	if c.silent.count == 0 {
		c.silent = part.silent
		return
	}
	c.silent.count += part.silent.count
	c.silent.names = append(c.silent.names, part.silent.names[:min(len(part.silent.names), maxListed-len(c.silent.names))]...)
}

// sharesNames reports whether a name of the part is taken.
func (c *collector) sharesNames(part *collector) bool {
	taken := false
	part.known.All(func(id compact.ID) bool {
		_, taken = c.known.Find(string(part.known.Name(id)))
		return !taken
	})
	return taken
}

// addSilent records a monitor that notifies nothing, by omission.
func (c *collector) addSilent(m mapping, name string) {
	if c.silent.count == 0 {
		c.silent.first, _ = m.get("notify")
		c.silent.source = c.source
	}
	if len(c.silent.names) < maxListed {
		c.silent.names = append(c.silent.names, name)
	}
	c.silent.count++
}

// warnSilent warns once for all monitors that notify nothing by omission.
func (c *collector) warnSilent() {
	n := c.silent.count
	if n == 0 {
		return
	}
	found := "no notify, here or in defaults"
	if n > 1 {
		found = fmt.Sprintf("no notify in %d monitors, of which this is the first, or in defaults", n)
	}
	names := strings.Join(c.silent.names, ", ")
	if n > len(c.silent.names) {
		names += fmt.Sprintf(" and %d more", n-len(c.silent.names))
	}
	c.warnings = append(c.warnings, c.silent.source.problem(c.silent.first, found, "names of recipients",
		"nobody gets mail about "+names+"; notify: [] says that this is meant"))
}
