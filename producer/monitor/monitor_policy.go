package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Defaults of a monitor's judgement when neither it nor the section defaults
// says more.
const (
	// DefaultRetryInterval is when a check is made again that leaves the
	// thresholds open; for shorter intervals the slot is soon enough.
	DefaultRetryInterval = 10 * time.Second
	maxWindow            = 100
)

// policy is how a monitor is judged, as far as the file says it.
type policy struct {
	window       int
	retry        time.Duration
	retrySet     bool
	flapping     *job.Flapping
	certificates []job.Duration
}

// readPolicy reads how a monitor is judged, with what it does not say from
// otherwise.
func (r *reader) readPolicy(m mapping, otherwise policy) policy {
	p := otherwise
	if v, ok := m.get("failure_window"); ok {
		p.window, _ = r.integer(v, 1, maxWindow)
	}
	if v, ok := m.get("retry_interval"); ok {
		p.retry = r.durationOrZero(v)
		p.retrySet = true
	}
	if v, ok := m.get("flapping"); ok {
		p.flapping = r.readFlapping(v)
	}
	if v, ok := m.get("certificate_alerts"); ok {
		p.certificates = r.certificateAlerts(v)
	}
	return p
}

// apply gives a monitor its policy.
func (p policy) apply(m *job.Monitor) {
	m.FailureWindow, m.Flapping, m.CertificateAlerts = p.window, p.flapping, p.certificates
	retry := p.retry
	if !p.retrySet {
		retry = DefaultRetryInterval
	}
	// A retry that would not come before the next slot is none. A heartbeat is
	// not known better by looking again.
	if m.Heartbeat == nil && (m.Interval == 0 || retry < m.Interval.Std()) {
		m.RetryInterval = job.Duration(retry)
	}
}

// readFlapping reads when a monitor is flapping: percentages, or false for never.
func (r *reader) readFlapping(v value) *job.Flapping {
	const expected = "false, or a mapping such as {enter: 30, leave: 20}"
	if !v.isMapping() {
		if v.null() || !v.node.isScalar() || v.node.text != "false" {
			r.reject(v, expected)
		}
		return &job.Flapping{}
	}
	limits := job.DefaultFlapping()
	m, ok := r.mapping(v, expected, r.keys["monitors[].flapping"]...)
	if !ok {
		return &limits
	}
	for _, field := range []struct {
		key  string
		into *int
	}{{"enter", &limits.Enter}, {"leave", &limits.Leave}} {
		if v, ok := m.get(field.key); ok {
			*field.into, _ = r.integer(v, 1, 100)
		}
	}
	if limits.Leave >= limits.Enter {
		leave, _ := m.get("leave")
		r.report(leave, "leave that is not below enter", "a percentage below that of enter", "")
	}
	return &limits
}

// certificateAlerts reads how long before its end a certificate is told of.
func (r *reader) certificateAlerts(v value) []job.Duration {
	alerts := []job.Duration{}
	items, ok := r.list(v, "a list of durations such as [21d, 7d, 1d]", true)
	if !ok {
		return alerts
	}
	for _, item := range items {
		if d, ok := r.duration(item); ok {
			alerts = append(alerts, job.Duration(d))
		}
	}
	return alerts
}

// locationPolicy is where a monitor is checked, and how many of the locations must find
// it down, as far as the file says it.
type locationPolicy struct {
	locations []string
	quorum    int // zero for more than half
}

// locationPolicy reads where a monitor is checked, with what it does not say from
// otherwise. A quorum belongs to the locations that it was written for: one that
// names its own locations does not take that of the defaults.
func (r *reader) readLocations(m mapping, otherwise locationPolicy) locationPolicy {
	p := otherwise
	at, hasLocations := m.get("locations")
	if hasLocations {
		p = locationPolicy{locations: r.locationNames(at)}
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

// locationNames reads names of locations; nil when one is wrong, or there is none.
func (r *reader) locationNames(v value) []string {
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
			r.reject(item, aLocation)
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
func (p locationPolicy) apply(m *job.Monitor) {
	m.Quorum = p.quorum
	if len(p.locations) != 1 || p.locations[0] != job.DefaultLocation {
		m.Locations = p.locations
	}
}
