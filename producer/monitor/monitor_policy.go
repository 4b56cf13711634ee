package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Defaults for policies that neither the monitor nor the section defaults sets.
const (
	// DefaultRetryInterval is the time to the next check while a threshold is open,
	// unless the next slot comes sooner.
	DefaultRetryInterval = 10 * time.Second
	maxWindow            = 100
)

// policyReader reads what the section defaults and each monitor share.
type policyReader struct{ *reader }

// policy is how results are evaluated, as far as the file sets it.
type policy struct {
	window       int
	retry        time.Duration
	retrySet     bool
	flapping     *job.Flapping
	certificates []job.Duration
}

// readPolicy reads a policy; keys that are left out come from otherwise.
func (r policyReader) readPolicy(m mapping, otherwise policy) policy {
	p := otherwise
	if v, ok := m.get("failure_window"); ok {
		p.window, _ = r.integer(v, 1, maxWindow)
	}
	if v, ok := m.get("retry_interval"); ok {
		p.retry = recipientReader(r).durationOrZero(v)
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

// apply sets the policy in a monitor.
func (p policy) apply(m *job.Monitor) {
	m.FailureWindow, m.Flapping, m.CertificateAlerts = p.window, p.flapping, p.certificates
	retry := p.retry
	if !p.retrySet {
		retry = DefaultRetryInterval
	}
	// A retry is useful only before the next slot. A heartbeat cannot be checked
	// sooner: it waits for a ping.
	if m.Heartbeat == nil && (m.Interval == 0 || retry < m.Interval.Std()) {
		m.RetryInterval = job.Duration(retry)
	}
}

// readFlapping reads percentages, or false for never.
func (r policyReader) readFlapping(v value) *job.Flapping {
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
	r.setInteger(m, "enter", 100, &limits.Enter)
	r.setInteger(m, "leave", 100, &limits.Leave)
	if limits.Leave >= limits.Enter {
		leave, _ := m.get("leave")
		r.report(leave, "leave that is not below enter", "a percentage below that of enter", "")
	}
	return &limits
}

// certificateAlerts reads at which remaining validity an alert is due.
func (r policyReader) certificateAlerts(v value) []job.Duration {
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

// locationPolicy is where a monitor is checked and how many locations must find it
// down, as far as the file sets it.
type locationPolicy struct {
	locations []string
	quorum    int // zero for more than half
}

// readLocations reads locations and quorum; keys that are left out come from
// otherwise. A quorum belongs to its locations: a monitor with its own locations
// does not inherit the default quorum.
func (r policyReader) readLocations(m mapping, otherwise locationPolicy) locationPolicy {
	p := otherwise
	at, hasLocations := m.get("locations")
	if hasLocations {
		p = locationPolicy{locations: r.locationNames(at)}
	}
	quorum, ok := m.get("quorum")
	switch {
	case !ok || hasLocations && p.locations == nil: // the mistake is reported
	case len(p.locations) < 2:
		r.report(quorum, fmt.Sprintf("a quorum for %s", count(max(1, len(p.locations)))), "several locations next to it", "locations: [fra, nyc, sin]")
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

// locationNames reads location names; nil if there is none or one is invalid.
func (r policyReader) locationNames(v value) []string {
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
		name, ok := r.readText(item, aLocation)
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

// apply sets the locations in a monitor. The default location is not written.
func (p locationPolicy) apply(m *job.Monitor) {
	m.Quorum = p.quorum
	if len(p.locations) != 1 || p.locations[0] != job.DefaultLocation {
		m.Locations = p.locations
	}
}

// optionalDuration is a duration that may be left out.
type optionalDuration struct {
	value
	duration time.Duration
	set      bool
}

// defaults are the values for keys that monitors leave out.
type defaults struct {
	interval, timeout optionalDuration
	failures, success int
	policy            policy
	locations         locationPolicy
	routes            []route
	notify            []string
	notifySet         bool
}

func (r policyReader) readDefaults(root mapping) defaults {
	d := defaults{
		interval: optionalDuration{duration: DefaultInterval}, timeout: optionalDuration{duration: DefaultTimeout},
		failures: DefaultFailureThreshold, success: DefaultSuccessThreshold,
	}
	v, ok := section(root, "defaults")
	if !ok {
		return d
	}
	m, ok := r.mapping(v, "fields such as interval", r.keys["defaults"]...)
	if !ok {
		d.notifySet = true // recipients were probably set
		return d
	}
	if own := r.intervalSetting(m); own.duration > 0 {
		d.interval = own
	}
	if own := r.durationSetting(m, "timeout"); own.duration > 0 {
		d.timeout = own
	}
	if d.interval.set && d.timeout.set {
		r.timeoutFits(d.timeout, d.interval)
	}
	r.setInteger(m, "failure_threshold", maxThreshold, &d.failures)
	r.setInteger(m, "success_threshold", maxThreshold, &d.success)
	d.policy = r.readPolicy(m, d.policy)
	d.locations = r.readLocations(m, d.locations)
	d.notify, d.notifySet = recipientReader(r).recipientNames(m, "notify")
	return d
}

// maxThreshold limits how many results in a row a threshold may need.
const maxThreshold = 100
