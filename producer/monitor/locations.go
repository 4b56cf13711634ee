package monitor

import (
	"fmt"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// places is where a monitor is checked, and how many of the locations must find
// it down, as far as the file says it.
type places struct {
	locations []string
	quorum    int // zero for more than half
}

// places reads where a monitor is checked, with what it does not say from
// otherwise. A quorum belongs to the locations that it was written for: one that
// names its own locations does not take that of the defaults.
func (r *reader) places(m mapping, otherwise places) places {
	p := otherwise
	at, hasLocations := m.get("locations")
	if hasLocations {
		p = places{locations: r.locations(at)}
	}
	quorum, ok := m.get("quorum")
	switch {
	case !ok || hasLocations && p.locations == nil: // the mistake is told
	case len(p.locations) < 2:
		r.report(quorum, fmt.Sprintf("a quorum for %s", count(max(1, len(p.locations)))), "several locations beside it", "locations: [fra, nyc, sin]")
	default:
		p.quorum, _ = r.integer(quorum, 1, len(p.locations))
	}
	return p
}

func count(locations int) string {
	if locations == 1 {
		return "1 location"
	}
	return fmt.Sprintf("%d locations", locations)
}

const aLocation = "1 to 128 of A-Z a-z 0-9 _ and -"

// locations reads names of locations; nil when one is wrong, or there is none.
func (r *reader) locations(v value) []string {
	const expected = "a name of a location, or a list of them"
	items, ok := r.list(v, expected, true)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		r.report(v, "an empty list", expected, "without the field, it is the location "+job.DefaultLocation)
		return nil
	}
	names := make([]string, 0, len(items))
	for _, item := range items {
		name, ok := r.text(item, aLocation)
		switch {
		case !ok:
		case !job.ValidName(name) || strings.Contains(name, "."):
			r.wrong(item, aLocation)
		case slices.Contains(names, name):
			r.report(item, item.describe()+" again", "each location once", "")
		default:
			names = append(names, name)
		}
	}
	if len(names) < len(items) {
		return nil
	}
	return names
}

// apply gives a monitor its locations. The one that it has anyway is not
// written.
func (p places) apply(m *job.Monitor) {
	m.Quorum = p.quorum
	if len(p.locations) != 1 || p.locations[0] != job.DefaultLocation {
		m.Locations = p.locations
	}
}
