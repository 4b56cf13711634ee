package producer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"vedette/pipeline/topology"
)

// ErrRemovals is returned by [Apply] for definitions that lack most of the stored
// monitors: the file may be empty for a moment while it is written, or the output
// from a failed template.
var ErrRemovals = errors.New("most monitors would be removed")

// checkRemovals returns [ErrRemovals] with some names.
func (d *difference) checkRemovals() error {
	removed := d.removedMonitors()
	if !removesMost(d.change.Monitors, len(removed), d.wantedMonitors) {
		return nil
	}
	return fmt.Errorf("%w: %d of %d stored monitors are missing among the %d found: %s",
		ErrRemovals, len(removed), d.change.Monitors, d.wantedMonitors, abbreviate(removed))
}

// removesMost reports whether a change is more likely a mistake than intended: it
// leaves no monitors, or removes more than half of the stored ones. To remove a
// single monitor, or rename it, is never a mistake as long as there are others.
func removesMost(stored, removed, wanted int) bool {
	return removed > 0 && wanted == 0 || removed > 1 && 2*removed > stored
}

// removedMonitors returns the names of the removed monitors, sorted.
func (d *difference) removedMonitors() []string {
	var names []string
	for _, w := range d.otherRemovals {
		if name, ok := topology.CutMonitorKey(w.Key); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// abbreviate lists the first names, and counts the rest.
func abbreviate(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
